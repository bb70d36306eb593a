//! The function that an attribute stands on, taken apart as far as needed: its body is never looked into.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::diagnostic::{Diagnostic, Result};
use crate::expansion::Attribute;

/// An `async fn` without arguments and generic parameters.
pub struct Function {
    /// The other attributes, documentation among them.
    pub attributes: Vec<TokenTree>,
    pub visibility: Vec<TokenTree>,
    /// `async`.
    pub asyncness: TokenTree,
    /// `fn`.
    pub keyword: TokenTree,
    pub name: Ident,
    /// `()`.
    pub arguments: Group,
    /// From the arrow to the body; nothing if there is no arrow.
    pub output: Vec<TokenTree>,
    pub body: Group,
}

impl Function {
    /// Takes `item` apart.
    pub fn parse(attribute: Attribute, item: TokenStream) -> Result<Self> {
        let whole = whole_span(&item);
        let mut tokens = Tokens { tokens: ungrouped(item), next: 0 };
        let not_a_function =
            || Diagnostic::new(whole, format!("`#[asyncio::{}]` belongs on an `async fn`", attribute.name()));

        let attributes = tokens.attributes();
        let visibility = tokens.visibility();
        let qualifiers = tokens.take_until(|token| is_word(token, "fn"));
        let keyword = tokens.take().ok_or_else(not_a_function)?;
        let Some(TokenTree::Ident(name)) = tokens.take() else { return Err(not_a_function()) };
        let asyncness = asyncness(attribute, &qualifiers, &keyword, &name)?;

        if let Some(open) = tokens.peek().filter(|token| is_punct(token, '<')) {
            let message = format!("`{name}` has generic parameters, and nothing to infer them from; remove them");
            return Err(Diagnostic::new(open.span(), message));
        }
        let Some(TokenTree::Group(arguments)) = tokens.take() else { return Err(not_a_function()) };
        if let Some(argument) = arguments.stream().into_iter().next() {
            let message = format!("`{name}` takes arguments, and nobody passes any to it; remove them");
            return Err(Diagnostic::new(argument.span(), message));
        }
        let (output, body) = match tokens.rest().split_last() {
            Some((TokenTree::Group(body), output)) if body.delimiter() == Delimiter::Brace => {
                (output.to_vec(), body.clone())
            }
            _ => return Err(Diagnostic::new(name.span(), format!("`{name}` has no body; give it one"))),
        };
        Ok(Self { attributes, visibility, asyncness, keyword, name, arguments, output, body })
    }
}

/// The `async` among the words before `fn`, if it is the only one.
fn asyncness(attribute: Attribute, qualifiers: &[TokenTree], keyword: &TokenTree, name: &Ident) -> Result<TokenTree> {
    let Some(asyncness) = qualifiers.iter().find(|token| is_word(token, "async")) else {
        let message = format!(
            "`#[asyncio::{}]` runs an `async fn`, and this one is not: write `async fn {name}`",
            attribute.name()
        );
        return Err(Diagnostic::new(keyword.span(), message));
    };
    match qualifiers.iter().find(|token| !is_word(token, "async")) {
        None => Ok(asyncness.clone()),
        Some(other) => {
            let message = format!("`{other}` does not go with `#[asyncio::{}]`; remove it", attribute.name());
            Err(Diagnostic::new(other.span(), message))
        }
    }
}

/// A list of tokens, taken from the front.
struct Tokens {
    tokens: Vec<TokenTree>,
    next: usize,
}

impl Tokens {
    fn peek(&self) -> Option<&TokenTree> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<TokenTree> {
        let token = self.peek().cloned()?;
        self.next += 1;
        Some(token)
    }

    fn rest(&self) -> &[TokenTree] {
        &self.tokens[self.next..]
    }

    fn take_until(&mut self, stop: impl Fn(&TokenTree) -> bool) -> Vec<TokenTree> {
        let rest = self.rest();
        let taken = rest[..rest.iter().position(stop).unwrap_or(rest.len())].to_vec();
        self.next += taken.len();
        taken
    }

    /// Each is a `#` and brackets.
    fn attributes(&mut self) -> Vec<TokenTree> {
        let mut attributes = Vec::new();
        while self.peek().is_some_and(|token| is_punct(token, '#')) {
            attributes.extend(self.take());
            attributes.extend(self.take());
        }
        attributes
    }

    /// `pub`, and what it is restricted to.
    fn visibility(&mut self) -> Vec<TokenTree> {
        let mut visibility = Vec::new();
        if self.peek().is_some_and(|token| is_word(token, "pub")) {
            visibility.extend(self.take());
            if self.peek().is_some_and(|token| is_group(token, Delimiter::Parenthesis)) {
                visibility.extend(self.take());
            }
        }
        visibility
    }
}

/// The tokens without the invisible brackets that `macro_rules!` puts around what it passes on.
fn ungrouped(tokens: TokenStream) -> Vec<TokenTree> {
    let mut flat = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => flat.extend(ungrouped(group.stream())),
            token => flat.push(token),
        }
    }
    flat
}

/// The name of the function, as far as there is one.
pub fn name(item: TokenStream) -> Option<Ident> {
    let mut tokens = ungrouped(item).into_iter().skip_while(|token| !is_word(token, "fn"));
    match tokens.nth(1) {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

fn whole_span(item: &TokenStream) -> proc_macro::Span {
    item.clone().into_iter().next().map_or(proc_macro::Span::call_site(), |token| token.span())
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}
