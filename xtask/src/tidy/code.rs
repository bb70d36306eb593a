//! Rust source without its comments and the insides of its literals, so that words in them are not taken for code.

/// The source with comments, and what is between the quotes of literals, turned into spaces. Lines stay where they are.
pub fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (length, kept) = match token(rest, code.chars().next_back()) {
            Token::Blank(length) => (length, 0),
            Token::Literal(length, open) => (length, open),
            Token::Code => (c.len_utf8(), c.len_utf8()),
        };
        code.push_str(&rest[..kept]);
        code.extend(rest[kept..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

enum Token {
    /// A comment of this length.
    Blank(usize),
    /// A literal of this length, of which this much is its opening.
    Literal(usize, usize),
    /// One character of code.
    Code,
}

fn token(rest: &str, before: Option<char>) -> Token {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return Token::Blank(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Token::Blank(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Token::Literal(quoted(rest, '"'), 1);
    }
    if !in_word && let Some((open, close)) = raw_string(rest) {
        let end = rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len());
        return Token::Literal(end, open);
    }
    // A quote that is not a lifetime: `'\…'`, or one character and a quote.
    let mut after = rest.chars().skip(1);
    if rest.starts_with('\'') && (after.next() == Some('\\') || after.next() == Some('\'')) {
        return Token::Literal(quoted(rest, '\''), 1);
    }
    Token::Code
}

/// The length of a comment that may hold others.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a literal with escapes, both quotes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    rest.len()
}

/// The length of the opening of a raw string, and what closes it.
fn raw_string(rest: &str) -> Option<(usize, String)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = rest[prefix.len()..].find('"')?;
    Some((prefix.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are left.
    fn words(source: &str) -> Vec<String> {
        let code = code_of(source);
        assert_eq!(code.lines().count(), source.lines().count(), "{source}");
        code.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(String::from).collect()
    }

    #[test]
    fn comments_are_blank() {
        assert_eq!(words("a // no\nb /* no /* no */\n no */ c"), ["a", "b", "c"]);
        assert_eq!(words("//! no\n/// no\nfn"), ["fn"]);
    }

    #[test]
    fn strings_are_blank() {
        assert_eq!(words(r#"a "no \" no" b"#), ["a", "b"]);
        assert_eq!(words("a r#\"no \" no\"# b br\"no\\\" c"), ["a", "r", "b", "br", "c"]);
        assert_eq!(words("\"no\n// no\" a"), ["a"]);
    }

    #[test]
    fn characters_are_blank_and_lifetimes_are_not() {
        assert_eq!(words(r"a 'n' '\'' '\u{1F600}' '\\' b"), ["a", "b"]);
        assert_eq!(words("&'a str, '\"' b"), ["a", "str", "b"]);
        assert_eq!(words("for<'a, 'b> c"), ["for", "a", "b", "c"]);
    }
}
