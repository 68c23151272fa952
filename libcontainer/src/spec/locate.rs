//! Where in a JSON text a place is: the path that a person would write.
//!
//! The parser says line and column of what it could not take; generating a
//! second parser that keeps the path for every type would cost more code than
//! all the rest of the reader.

use std::fmt::Write;

/// The path of the value that ends at, or holds, the place of an error: line and
/// column from 1, as serde_json counts them. Empty for the document itself.
pub(super) fn path_at(text: &[u8], line: usize, column: usize) -> String {
    let start = text
        .split_inclusive(|&byte| byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    // The error is met after its value was read; at the end of a container that
    // lacks a field, on its closing bracket.
    let place = start.saturating_add(column).saturating_sub(1);
    let mut walk = Walk {
        text,
        at: 0,
        place,
        path: Vec::new(),
    };
    let _ = walk.value();
    render(&walk.path)
}

enum Step {
    Key(String),
    Index(usize),
}

fn render(path: &[Step]) -> String {
    path.iter().fold(String::new(), |mut text, step| {
        match step {
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
        text
    })
}

/// Found, or nothing more to read: the path is as it should be.
struct Stop;

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    place: usize,
    path: Vec<Step>,
}

impl Walk<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at = self.at.saturating_add(1);
        }
        None
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Reads a value; stops inside it when the place is there.
    fn value(&mut self) -> Result<(), Stop> {
        match self.peek().ok_or(Stop)? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => {
                self.string();
            }
            _ => self.word(),
        }
        if self.place < self.at {
            return Err(Stop);
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Stop> {
        self.bump();
        loop {
            match self.peek().ok_or(Stop)? {
                b'}' => break,
                b',' => self.bump(),
                b'"' => {
                    let key = self.string();
                    self.path.push(Step::Key(key));
                    if self.peek() == Some(b':') {
                        self.bump();
                    }
                    self.value()?;
                    self.path.pop();
                }
                _ => return Err(Stop),
            }
        }
        self.bump();
        Ok(())
    }

    fn array(&mut self) -> Result<(), Stop> {
        self.bump();
        let mut index = 0;
        loop {
            match self.peek().ok_or(Stop)? {
                b']' => break,
                b',' => self.bump(),
                _ => {
                    self.path.push(Step::Index(index));
                    self.value()?;
                    self.path.pop();
                    index = index.saturating_add(1);
                }
            }
        }
        self.bump();
        Ok(())
    }

    fn string(&mut self) -> String {
        self.bump();
        let start = self.at;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.bump(),
                b'"' => break,
                _ => {}
            }
            self.bump();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.bump();
        String::from_utf8_lossy(text).into_owned()
    }

    fn word(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() {
                return;
            }
            self.bump();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::path_at;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Top {
        #[expect(dead_code, reason = "read for its errors")]
        list: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "read for its errors")]
        number: u32,
    }

    fn path(text: &str) -> String {
        let error = serde_json::from_str::<Top>(text).unwrap_err();
        path_at(text.as_bytes(), error.line(), error.column())
    }

    #[test]
    fn the_value_at_fault_is_named() {
        assert_eq!(
            path(r#"{"list":[{"number":1},{"number":"x"}]}"#),
            "list[1].number"
        );
        assert_eq!(path(r#"{"list":[{"number":-1}]}"#), "list[0].number");
        assert_eq!(
            path("{\"a\\\"b\":{\"c\":[1,2]},\n \"list\": [\n  {\"number\": [ ] } ] }"),
            "list[0].number"
        );
        assert_eq!(path(r#"{"list":"x"}"#), "list");
    }

    #[test]
    fn a_missing_field_is_its_objects() {
        assert_eq!(path(r#"{"list":[{"number":1},{}]}"#), "list[1]");
        assert_eq!(path("{}"), "");
    }
}
