//! What stands in the brackets of an attribute.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::diagnostic::{Diagnostic, Result};
use crate::expansion::Attribute;

/// The options, all optional.
#[derive(Default)]
pub struct Options {
    pub debug: Option<bool>,
    pub virtual_time: Option<bool>,
    /// The path to the facade.
    pub facade: Option<TokenStream>,
}

impl Options {
    /// Reads `name`, `name = value` and so on, between commas. What is wrong is left out, and the first of it returned.
    pub fn parse(attribute: Attribute, tokens: TokenStream) -> (Self, Option<Diagnostic>) {
        let mut options = Self::default();
        let mut wrong = None;
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut parts = tokens.split(|token| is_punct(token, ',')).peekable();
        while let Some(part) = parts.next() {
            let read = match part.split_first() {
                Some((name, value)) => options.set(attribute, name, value),
                // After a comma at the end, or in empty brackets.
                None if parts.peek().is_none() => Ok(()),
                None => Err(Diagnostic::new(Span::call_site(), "an option is missing before a comma")),
            };
            wrong = wrong.or(read.err());
        }
        (options, wrong)
    }

    fn set(&mut self, attribute: Attribute, name: &TokenTree, value: &[TokenTree]) -> Result<()> {
        let known = attribute.options();
        let word = name.to_string();
        if !known.contains(&word.as_str()) {
            let known: Vec<_> = known.iter().map(|option| format!("`{option}`")).collect();
            let message =
                format!("unknown option `{word}`; `#[asyncio::{}]` knows {}", attribute.name(), known.join(", "));
            return Err(Diagnostic::new(name.span(), message));
        }
        let value = match value.split_first() {
            None => None,
            Some((equals, value)) if is_punct(equals, '=') => Some(value),
            Some((other, _)) => {
                return Err(Diagnostic::new(other.span(), format!("expected `=` or a comma after `{word}`")));
            }
        };
        let repeated = match word.as_str() {
            "debug" => self.debug.replace(flag(name, value)?).is_some(),
            "virtual_time" => self.virtual_time.replace(flag(name, value)?).is_some(),
            _ => self.facade.replace(path(name, value)?).is_some(),
        };
        if repeated {
            return Err(Diagnostic::new(name.span(), format!("the option `{word}` is given twice")));
        }
        Ok(())
    }
}

fn flag(name: &TokenTree, value: Option<&[TokenTree]>) -> Result<bool> {
    let Some(value) = value else { return Ok(true) };
    match value {
        [value] if value.to_string() == "true" => Ok(true),
        [value] if value.to_string() == "false" => Ok(false),
        _ => {
            let span = value.first().unwrap_or(name).span();
            Err(Diagnostic::new(span, format!("`{name}` is `true` or `false`")))
        }
    }
}

fn path(name: &TokenTree, value: Option<&[TokenTree]>) -> Result<TokenStream> {
    let value = value.unwrap_or_default();
    let is_part = |token: &TokenTree| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':');
    match value.iter().find(|token| !is_part(token)) {
        None if !value.is_empty() => Ok(value.iter().cloned().collect()),
        wrong => {
            let span = wrong.unwrap_or(name).span();
            Err(Diagnostic::new(span, "`crate` is the path to asyncio, without quotes, such as `crate = ::renamed`"))
        }
    }
}

fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}
