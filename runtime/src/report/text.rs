//! A log line as text: `time="…" level=error msg="…"`.

use std::fmt::Write as _;

/// The line, its end included.
pub(crate) fn line(time: &str, level: &str, message: &str) -> String {
    let mut line = String::with_capacity(message.len() + 64);
    for (name, value) in [("time", time), ("level", level), ("msg", message)] {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
        line.push('=');
        if value.chars().all(is_plain) {
            line.push_str(value);
        } else {
            quote(&mut line, value);
        }
    }
    line.push('\n');
    line
}

/// What stands without quotes.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._/@^+".contains(letter)
}

/// Quotes so that the value stays on its line and can be read back.
fn quote(line: &mut String, value: &str) {
    line.push('"');
    for letter in value.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ if letter.is_ascii_control() => {
                let _ = write!(line, "\\x{:02x}", u32::from(letter));
            }
            _ if letter.is_control() => {
                let _ = write!(line, "\\u{:04x}", u32::from(letter));
            }
            _ => line.push(letter),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::line;
    use proptest::prelude::*;

    const TIME: &str = "2026-01-31T23:59:59Z";

    #[test]
    fn values_are_quoted_where_they_must_be() {
        for (message, wanted) in [
            ("container does not exist", "\"container does not exist\""),
            ("plain-._/@^+09", "plain-._/@^+09"),
            ("", ""),
            ("a=b", "\"a=b\""),
            ("exec \"x\\y\"", "\"exec \\\"x\\\\y\\\"\""),
            (
                "two\nlines\r\t\u{1b}[0m\u{85}",
                "\"two\\nlines\\r\\t\\x1b[0m\\u0085\"",
            ),
            ("straße", "\"straße\""),
        ] {
            assert_eq!(
                line(TIME, "error", message),
                format!("time=\"{TIME}\" level=error msg={wanted}\n")
            );
        }
    }

    proptest! {
        #[test]
        fn a_message_never_leaves_its_line(message in ".*|(?s).{0,40}") {
            let line = line(TIME, "error", &message);
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let head = "time=\"2026-01-31T23:59:59Z\" level=error msg=";
            let value = line.trim_end().strip_prefix(head).unwrap_or("?");
            // Either bare and whole, or in quotes that nothing inside closes.
            let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let closed = inner.is_none_or(|inner| {
                let bare = inner.replace("\\\\", "").replace("\\\"", "");
                !bare.contains('"')
            });
            prop_assert!(closed && (inner.is_some() || value == message), "{}", line);
        }
    }
}
