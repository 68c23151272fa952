//! Sizes as people write them: `64m`, `1.5 GiB`.

const KILO: f64 = 1024.0;

/// The bytes of a size; the units are powers of 1024.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let digits = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == ' ';
    let end = text.rfind(digits).ok_or_else(invalid)? + 1;
    let (number, suffix) = text.split_at(end);
    // One space before the unit.
    let number = number.strip_suffix(' ').unwrap_or(number);
    let size: f64 = number.parse().map_err(|_| invalid())?;
    let size = size * unit(suffix).ok_or_else(|| format!("invalid suffix: '{suffix}'"))?;
    // 2^63 and all above it, and what is no number.
    if !(0.0..9_223_372_036_854_775_808.0).contains(&size) {
        return Err(invalid());
    }
    Ok(whole(size))
}

/// How many bytes a unit has: a letter, with or without a `b` or `ib` after it.
fn unit(suffix: &str) -> Option<f64> {
    let suffix = suffix.to_ascii_lowercase();
    if matches!(suffix.as_str(), "" | "b") {
        return Some(1.0);
    }
    let letter = suffix
        .strip_suffix("ib")
        .or_else(|| suffix.strip_suffix('b'))
        .unwrap_or(&suffix);
    let power = match letter {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some(KILO.powi(power))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the range was checked, and parts of a byte go"
)]
fn whole(size: f64) -> i64 {
    size as i64
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, wanted) in [
            ("0", 0),
            ("42", 42),
            ("42b", 42),
            ("1k", 1024),
            ("50M", 52_428_800),
            ("64m", 67_108_864),
            ("1.5 GiB", 1_610_612_736),
            ("2gb", 2_147_483_648),
            ("1t", 1 << 40),
            ("1P", 1 << 50),
            (".5k", 512),
            ("1.9", 1),
        ] {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_said() {
        for (text, wanted) in [
            ("", "invalid size: ''"),
            ("m", "invalid size: 'm'"),
            ("-1m", "invalid size: '-1m'"),
            ("1.2.3", "invalid size: '1.2.3'"),
            ("1  m", "invalid size: '1  m'"),
            ("9000P1", "invalid size: '9000P1'"),
            ("9223372036854775808", "invalid size: '9223372036854775808'"),
            ("1x", "invalid suffix: 'x'"),
            ("1mm", "invalid suffix: 'mm'"),
            ("1bb", "invalid suffix: 'bb'"),
            ("1kibs", "invalid suffix: 'kibs'"),
        ] {
            assert_eq!(bytes(text), Err(wanted.to_owned()), "{text}");
        }
    }
}
