//! Pressure stall information (the kernel's accounting/psi), of the v2 cgroup,
//! which hybrid hosts have too.

use serde::{Serialize, Serializer};

use super::skip;
use crate::error::StepError;
use crate::sys::{Errno, small_file};

/// How much processes had to wait for a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// At least one of them waited.
    #[serde(skip_serializing_if = "skip::default")]
    pub some: Stall,
    /// All of them waited.
    #[serde(skip_serializing_if = "skip::default")]
    pub full: Stall,
}

/// A share of time, in percent, and its sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stall {
    /// Over the last 10 seconds.
    #[serde(serialize_with = "short")]
    pub avg10: f64,
    /// Over the last minute.
    #[serde(serialize_with = "short")]
    pub avg60: f64,
    /// Over the last five minutes.
    #[serde(serialize_with = "short")]
    pub avg300: f64,
    /// Since the start, in microseconds.
    pub total: u64,
}

/// Whole numbers go without a point, as other programs write them.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::trivially_copy_pass_by_ref,
    reason = "a whole number from 0 to 100; serde calls it with a reference"
)]
fn short<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.fract() == 0.0 && (0.0..=100.0).contains(number) {
        serializer.serialize_u64(*number as u64)
    } else {
        serializer.serialize_f64(*number)
    }
}

/// Reads one of the `*.pressure` files; none where the kernel does not keep them,
/// or not for this cgroup.
pub(super) fn read(folder: &str, file: &str) -> Result<Option<Pressure>, StepError> {
    let path = format!("{folder}/{file}");
    match small_file::read(&path) {
        Ok(text) => Ok(Some(parse(&text))),
        Err(Errno::ENOENT | Errno::EOPNOTSUPP | Errno::ENODEV) => Ok(None),
        Err(errno) => Err(StepError::new("read", path, errno)),
    }
}

fn parse(text: &[u8]) -> Pressure {
    let mut pressure = Pressure::default();
    for line in std::str::from_utf8(text).unwrap_or_default().lines() {
        let mut words = line.split_ascii_whitespace();
        let stall = match words.next() {
            Some("some") => &mut pressure.some,
            Some("full") => &mut pressure.full,
            _ => continue,
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let average = || value.parse().unwrap_or_default();
            match key {
                "avg10" => stall.avg10 = average(),
                "avg60" => stall.avg60 = average(),
                "avg300" => stall.avg300 = average(),
                "total" => stall.total = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
    }
    pressure
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::parse;

    #[test]
    fn both_lines_are_read() {
        let text = b"some avg10=1.50 avg60=0.00 avg300=100.00 total=12345\n\
                     full avg10=0.00 avg60=0.00 avg300=0.25 total=7\n";
        assert_eq!(
            serde_json::to_string(&parse(text)).unwrap(),
            r#"{"some":{"avg10":1.5,"avg60":0,"avg300":100,"total":12345},"full":{"avg10":0,"avg60":0,"avg300":0.25,"total":7}}"#
        );
    }

    #[test]
    fn what_is_all_zero_is_left_out() {
        let text = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(serde_json::to_string(&parse(text)).unwrap(), "{}");
    }
}
