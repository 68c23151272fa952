//! Signals by name or number.

use crate::error::{Error, ErrorKind};

/// The names of signal(7), without `SIG`, by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Other names of the same.
const ALIASES: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The first real-time signal that programs may use, and the last: libc keeps
/// two below it.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Reads `9`, `KILL`, `SIGKILL`, `sigkill` or `RTMIN+3`; 0 only asks whether the
/// process is there (kill(2)).
pub(super) fn parse(text: &str) -> Result<i32, Error> {
    let unknown = || Error::new(ErrorKind::InvalidConfig, format!("unknown signal {text:?}"));
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(number) if (0..=RTMAX).contains(&number) => Ok(number),
            _ => Err(unknown()),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = (1..).zip(NAMES).find(|(_, known)| *known == name);
    if let Some((number, _)) = known {
        return Ok(number);
    }
    if let Some((_, number)) = ALIASES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    real_time(name).ok_or_else(unknown)
}

fn real_time(name: &str) -> Option<i32> {
    let digits = |text: &str| -> Option<i32> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok())?
    };
    let number = match name {
        "RTMIN" => RTMIN,
        "RTMAX" => RTMAX,
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(offset), _) => RTMIN.checked_add(digits(offset)?)?,
            (_, Some(offset)) => RTMAX.checked_sub(digits(offset)?)?,
            _ => return None,
        },
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigterm", 15),
            ("SIGUSR2", 12),
            ("sys", 31),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
            ("64", 64),
            ("IOT", 6),
            ("0", 0),
        ] {
            assert_eq!(parse(text).ok(), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "", "-1", "+9", " 9", "0x9", "65", "NOSUCH", "SIG", "RTMIN+31", "RTMIN+",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
