//! What the attributes write.
//!
//! From `async fn name() -> R { … }` they make
//!
//! ```text
//! fn name() -> R {
//!     async fn name() -> R { … }
//!     ::asyncio::run(name())
//! }
//! ```
//!
//! The inner function is the original, token by token, so `return`, `?` and the inference of types work as they do in
//! any `async fn`. With options, a `Runner` runs it instead of `run`. No local variable is introduced: it could hide
//! the inner function, which has whatever name the user gave it.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::diagnostic::{Diagnostic, Result};
use crate::function::{self, Function};
use crate::option::Options;

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    Main,
    Test,
}

impl Attribute {
    /// Its name in the facade.
    pub fn name(self) -> &'static str {
        match self {
            Attribute::Main => "main",
            Attribute::Test => "test",
        }
    }

    /// The options that it knows.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Attribute::Main => &["debug", "crate"],
            Attribute::Test => &["virtual_time", "debug", "crate"],
        }
    }
}

/// The function as written becomes one that runs it. A wrong option is reported beside it, so that the body is checked
/// all the same. In place of a wrong function stands an empty one, so that nothing else is said about its absence.
pub fn expand(attribute: Attribute, options: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens = TokenStream::new();
    let (options, wrong) = Options::parse(attribute, options);
    tokens.extend(wrong.map(Diagnostic::into_tokens));
    match runner(attribute, &options, item.clone()) {
        Ok(function) => tokens.extend(function),
        Err(diagnostic) => {
            tokens.extend(diagnostic.into_tokens());
            if let Some(name) = function::name(item).filter(|_| attribute == Attribute::Main) {
                tokens.extend(code(&format!("fn {name}() {{}}")));
            }
        }
    }
    tokens
}

fn runner(attribute: Attribute, options: &Options, item: TokenStream) -> Result<TokenStream> {
    let function = Function::parse(attribute, item)?;
    let mut tokens: Vec<TokenTree> = Vec::new();
    if attribute == Attribute::Test {
        refuse_second_test(&function)?;
        tokens.extend(code("#[::core::prelude::v1::test]"));
    }
    tokens.extend(function.attributes);
    tokens.extend(function.visibility);
    tokens.push(function.keyword.clone());
    tokens.push(function.name.clone().into());
    tokens.push(function.arguments.clone().into());
    tokens.extend(function.output.clone());

    let mut inner: Vec<TokenTree> = vec![function.asyncness, function.keyword, function.name.clone().into()];
    inner.push(function.arguments.into());
    inner.extend(function.output);
    // The braces of the outer body have the span of the inner ones, so that a mismatch of types is shown there.
    let braces = function.body.span();
    inner.push(function.body.into());
    inner.extend(call(options, &function.name));
    let mut body = Group::new(Delimiter::Brace, inner.into_iter().collect());
    body.set_span(braces);
    tokens.push(body.into());
    Ok(tokens.into_iter().collect())
}

/// The expression that runs the inner function.
fn call(options: &Options, name: &Ident) -> TokenStream {
    let mut tokens = options.facade.clone().unwrap_or_else(|| code("::asyncio"));
    let flags = [("debug", options.debug), ("virtual_time", options.virtual_time)];
    let calls: String = flags.iter().filter_map(|(name, flag)| flag.map(|flag| format!(".{name}({flag})"))).collect();
    let future = code(&format!("{name}()"));
    if calls.is_empty() {
        tokens.extend(code("::run"));
        tokens.extend(parenthesized(future));
        return tokens;
    }
    let made = "unwrap_or_else(|error| ::core::panic!(\"the event loop could not be made: {}\", error))";
    tokens.extend(code(&format!("::Runner::builder(){calls}.build().{made}.run")));
    tokens.extend(parenthesized(future));
    tokens.extend(code(".unwrap_or_else(|error| ::core::panic!(\"{}\", error))"));
    tokens
}

fn parenthesized(inside: TokenStream) -> TokenStream {
    TokenTree::from(Group::new(Delimiter::Parenthesis, inside)).into()
}

/// The test harness would run the function twice.
fn refuse_second_test(function: &Function) -> Result<()> {
    for token in &function.attributes {
        if let TokenTree::Group(group) = token
            && group.stream().to_string() == "test"
        {
            return Err(Diagnostic::new(group.span(), "`#[asyncio::test]` makes a test already; remove `#[test]`"));
        }
    }
    Ok(())
}

/// Tokens from their text, which is ours and always Rust.
fn code(text: &str) -> TokenStream {
    text.parse().expect("the text is Rust")
}
