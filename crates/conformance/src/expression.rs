//! The text of programs: atoms and lists, as in Lisp.

use std::fmt;
use std::rc::Rc;

/// An atom or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A word.
    Atom(Rc<str>),
    /// Expressions in parentheses.
    List(Rc<List>),
}

/// A list, with its number: lists are counted from 0 in the order of their opening parentheses.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    /// The number of the list in its program.
    pub number: usize,
    /// What is in it.
    pub items: Vec<Expression>,
}

impl Expression {
    /// The word, if it is one.
    #[must_use]
    pub fn atom(&self) -> Option<&str> {
        match self {
            Self::Atom(atom) => Some(atom),
            Self::List(_) => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn list(&self) -> Option<&Rc<List>> {
        match self {
            Self::Atom(_) => None,
            Self::List(list) => Some(list),
        }
    }
}

impl List {
    /// The first item, if it is a word: what kind of statement it is.
    #[must_use]
    pub fn head(&self) -> &str {
        self.items.first().and_then(Expression::atom).unwrap_or_default()
    }

    /// The word at `index`; empty if there is none.
    #[must_use]
    pub fn word(&self, index: usize) -> &str {
        self.items.get(index).and_then(Expression::atom).unwrap_or_default()
    }

    /// The list at `index`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn sublist(&self, index: usize) -> Rc<List> {
        let list = self.items.get(index).and_then(Expression::list);
        list.unwrap_or_else(|| panic!("item {index} of {self} must be a list")).clone()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => f.write_str(atom),
            Self::List(list) => list.fmt(f),
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, item) in self.items.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { " " })?;
        }
        f.write_str(")")
    }
}

/// Reads a program.
///
/// # Panics
///
/// When the parentheses do not match.
#[must_use]
pub fn parse(text: &str) -> Rc<List> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut count = 0;
    let mut stack: Vec<List> = Vec::new();
    for token in spaced.split_whitespace() {
        match token {
            "(" => {
                stack.push(List { number: count, items: Vec::new() });
                count += 1;
            }
            ")" => {
                let list = stack.pop().expect("a parenthesis that closes was opened");
                match stack.last_mut() {
                    Some(outer) => outer.items.push(Expression::List(Rc::new(list))),
                    None => return Rc::new(list),
                }
            }
            atom => stack.last_mut().expect("a program is a list").items.push(Expression::Atom(atom.into())),
        }
    }
    panic!("a parenthesis of the program is not closed: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_was_read() {
        let text = "(main (spawn t1 (sleep 1)) (await t1) () (gather all t1 (do (value x))))";
        assert_eq!(parse(text).to_string(), text);
    }

    #[test]
    fn lists_are_numbered_in_the_order_in_which_they_open() {
        let program = parse("(a (b (c)) (d))");
        assert_eq!((program.number, program.sublist(1).number, program.sublist(2).number), (0, 1, 3));
    }
}
