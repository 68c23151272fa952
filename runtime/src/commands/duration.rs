//! Spans of time as `5s`, `100ms`, `1h2m3.5s`.

use std::time::Duration;

/// Reads one; below zero it is none at all.
pub(super) fn read(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (number, tail) = rest.split_at(rest.find(|letter| !digit(letter))?);
        let (unit, tail) = tail.split_at(tail.find(digit).unwrap_or(tail.len()));
        let number: f64 = number.parse().ok()?;
        let span = Duration::try_from_secs_f64(number * seconds(unit)?).ok()?;
        sum = sum.checked_add(span)?;
        rest = tail;
    }
    Some(if negative { Duration::ZERO } else { sum })
}

fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        // Two letters that look alike.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::time::Duration;

    #[test]
    fn units_and_sums() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("100ms", 100),
            ("1h2m3.5s", 3_723_500),
            ("+.5s", 500),
            ("1500us", 1),
            ("0", 0),
            ("-5s", 0),
        ] {
            let found = read(text).map(|span| span.as_millis());
            assert_eq!(found, Some(milliseconds), "{text}");
        }
        assert_eq!(read("20ns"), Some(Duration::from_nanos(20)));
        assert_eq!(read("2\u{b5}s"), read("2us"));
    }

    #[test]
    fn the_rest_is_none() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "1x",
            "1.2.3s",
            "-",
            "1s2",
            "99999999999999999999h",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
