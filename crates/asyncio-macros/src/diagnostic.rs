//! Errors in what was written, shown by the compiler at the place where it was written.

use proc_macro::{Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// What is wrong, and where.
#[derive(Debug)]
pub struct Diagnostic {
    span: Span,
    message: String,
}

/// What parsing returns.
pub type Result<T> = std::result::Result<T, Diagnostic>;

impl Diagnostic {
    /// An error that the compiler shows at `span`.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }

    /// The code that makes the compiler show the error.
    pub fn into_tokens(self) -> TokenStream {
        let mut message = Literal::string(&self.message);
        message.set_span(self.span);
        let argument = TokenStream::from(TokenTree::from(message));
        let mut tokens: Vec<TokenTree> = Vec::new();
        for name in ["core", "compile_error"] {
            tokens.push(Punct::new(':', Spacing::Joint).into());
            tokens.push(Punct::new(':', Spacing::Alone).into());
            tokens.push(Ident::new(name, self.span).into());
        }
        tokens.push(Punct::new('!', Spacing::Alone).into());
        tokens.push(Group::new(proc_macro::Delimiter::Brace, argument).into());
        for token in &mut tokens {
            token.set_span(self.span);
        }
        tokens.into_iter().collect()
    }
}
