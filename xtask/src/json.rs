//! A reader of JSON, as much of it as `cargo metadata` prints.

use std::fmt;

/// A value. Numbers are not needed here and are read as their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// In the order of the document.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of this name; null where there is none.
    pub fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(members) => {
                members.iter().find(|(key, _)| key == name).map_or(&Json::Null, |(_, value)| value)
            }
            _ => &Json::Null,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements; none if it is not a list.
    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(elements) => elements,
            _ => &[],
        }
    }

    /// The members; none if it is not an object.
    pub fn members(&self) -> &[(String, Json)] {
        match self {
            Json::Object(members) => members,
            _ => &[],
        }
    }
}

/// The document is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonError {
    expected: &'static str,
    offset: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {} of the JSON", self.expected, self.offset)
    }
}

/// Reads a whole document.
pub fn parse(document: &str) -> Result<Json, JsonError> {
    let mut reader = Reader { document, offset: 0 };
    let value = reader.value()?;
    reader.skip_space();
    if reader.offset == document.len() { Ok(value) } else { Err(reader.expected("the end")) }
}

struct Reader<'a> {
    document: &'a str,
    offset: usize,
}

impl Reader<'_> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError { expected, offset: self.offset }
    }

    fn rest(&self) -> &str {
        &self.document[self.offset..]
    }

    fn skip_space(&mut self) {
        self.offset += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// Steps over `token` if it is next.
    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    fn value(&mut self) -> Result<Json, JsonError> {
        self.skip_space();
        match self.rest().bytes().next() {
            Some(b'{') => Ok(Json::Object(self.sequence("}", Self::member)?)),
            Some(b'[') => Ok(Json::List(self.sequence("]", Self::value)?)),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(self.number()),
            _ if self.eat("null") => Ok(Json::Null),
            _ if self.eat("true") => Ok(Json::Bool(true)),
            _ if self.eat("false") => Ok(Json::Bool(false)),
            _ => Err(self.expected("a value")),
        }
    }

    /// Items between commas, from the opening bracket, which is next, to `close`.
    fn sequence<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        self.offset += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.skip_space();
            if self.eat(close) {
                return Ok(items);
            }
            if !self.eat(",") {
                return Err(self.expected("a comma or a closing bracket"));
            }
        }
    }

    fn member(&mut self) -> Result<(String, Json), JsonError> {
        self.skip_space();
        let name = self.string()?;
        self.skip_space();
        if !self.eat(":") {
            return Err(self.expected("a colon"));
        }
        Ok((name, self.value()?))
    }

    fn number(&mut self) -> Json {
        let rest = self.rest();
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = Json::Number(rest[..end].to_owned());
        self.offset += end;
        number
    }

    fn string(&mut self) -> Result<String, JsonError> {
        if !self.eat("\"") {
            return Err(self.expected("a string"));
        }
        let mut units = Vec::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return Err(self.expected("a closing quote")) };
            self.offset += c.len_utf8();
            match c {
                // Through UTF-16, because that is how JSON escapes what is outside the basic plane.
                '"' => return String::from_utf16(&units).map_err(|_| self.expected("a paired surrogate")),
                '\\' => units.push(self.escape()?),
                c => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, JsonError> {
        for (escape, c) in [
            ("n", '\n'),
            ("t", '\t'),
            ("r", '\r'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
        ] {
            if self.eat(escape) {
                return Ok(c as u16);
            }
        }
        let digits = self.rest().get(1..5).filter(|_| self.rest().starts_with('u'));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or(self.expected("an escape"))?;
        self.offset += 5;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let json = parse(r#" {"a": [1, -2.5e3, true, false, null], "b": {"c": "d"}, "e": [], "f": {}} "#).unwrap();
        assert_eq!(json.get("a").list().len(), 5);
        assert_eq!(json.get("a").list()[1], Json::Number("-2.5e3".into()));
        assert_eq!(json.get("b").get("c").text(), Some("d"));
        assert_eq!(json.get("e"), &Json::List(vec![]));
        assert_eq!(json.members().len(), 4);
        assert_eq!(json.get("missing").get("deeper"), &Json::Null);
    }

    #[test]
    fn escapes_are_undone() {
        let json = parse(r#""a\"b\\c\/\n\u00e9\ud83d\ude00 é""#).unwrap();
        assert_eq!(json.text(), Some("a\"b\\c/\né😀 é"));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (document, offset) in
            [("", 0), ("{", 1), ("[1 2]", 3), ("[1,]", 3), (r#"{"a" 1}"#, 5), ("\"a", 2), (r#""\x""#, 2), ("null x", 5)]
        {
            assert_eq!(parse(document).unwrap_err().offset, offset, "{document}");
        }
    }
}
