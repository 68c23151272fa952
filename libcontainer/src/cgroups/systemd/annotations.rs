//! `org.systemd.property.NAME` annotations: properties of the unit that the
//! specification has no words for.

use std::collections::HashMap;

use super::properties::Property;
use crate::dbus::{self, Value};
use crate::error::Findings;

const PREFIX: &str = "org.systemd.property.";
/// What says where the container is, which is not the annotation's to say.
const OURS: [&str; 2] = ["PIDs", "Slice"];
const MICROSECONDS: u64 = 1_000_000;

/// The properties, in the order of their names.
pub(super) fn properties(
    annotations: &HashMap<String, String>,
    findings: &mut Findings,
) -> Vec<Property> {
    let mut named: Vec<(&String, &str, &String)> = annotations
        .iter()
        .filter_map(|(key, value)| Some((key, key.strip_prefix(PREFIX)?, value)))
        .collect();
    named.sort_unstable();
    let mut properties = Vec::new();
    for (key, name, value) in named {
        match property(name, value) {
            Ok(property) => properties.push(property),
            Err(reason) => findings.error(format!("annotations[{key:?}]"), reason),
        }
    }
    properties
}

fn property(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!(
            "invalid property name {name:?}; it has at least three letters and nothing else"
        ));
    }
    if OURS.contains(&name) {
        return Err(format!("{name} is not for an annotation to set"));
    }
    let value = dbus::parse_text(text)
        .map_err(|reason| format!("value parse error: {reason}; it is read as GVariant text"))?;
    // systemd's manual writes times in seconds, its bus wants microseconds.
    let stem = name
        .strip_suffix("Sec")
        .filter(|stem| stem.ends_with(|letter: char| letter.is_ascii_lowercase()));
    Ok(match stem {
        Some(stem) => {
            let time = microseconds(&value).ok_or("value parse error: not a number")?;
            Property::new(format!("{stem}USec"), Value::U64(time))
        }
        None => Property::new(name, value),
    })
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time out of range becomes the longest or the shortest there is"
)]
fn microseconds(value: &Value) -> Option<u64> {
    let whole = match value {
        Value::Byte(seconds) => i128::from(*seconds),
        Value::I16(seconds) => i128::from(*seconds),
        Value::U16(seconds) => i128::from(*seconds),
        Value::I32(seconds) => i128::from(*seconds),
        Value::U32(seconds) => i128::from(*seconds),
        Value::I64(seconds) => i128::from(*seconds),
        Value::U64(seconds) => i128::from(*seconds),
        Value::Double(bits) => {
            let time = f64::from_bits(*bits) * 1_000_000.0;
            return (!time.is_nan()).then_some(time as u64);
        }
        Value::Bool(_)
        | Value::Text(_)
        | Value::Path(_)
        | Value::Signature(_)
        | Value::Variant(_)
        | Value::Array(..)
        | Value::Struct(_)
        | Value::Entry(..) => return None,
    };
    // Less than nothing is systemd's "infinity".
    Some(u64::try_from(whole).map_or(u64::MAX, |time| time.saturating_mul(MICROSECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Property, String> {
        let annotations = HashMap::from([
            (format!("{PREFIX}{name}"), value.to_owned()),
            ("other".to_owned(), "x".to_owned()),
        ]);
        let mut findings = Findings::new();
        let mut properties = properties(&annotations, &mut findings);
        properties.pop().ok_or_else(|| findings.to_string())
    }

    #[test]
    fn times_in_seconds_are_told_in_microseconds() {
        for (value, time) in [
            ("5", 5_000_000),
            ("uint64 5", 5_000_000),
            ("2.5", 2_500_000),
            ("byte 1", 1_000_000),
            ("-1", u64::MAX),
            ("uint64 18446744073709551615", u64::MAX),
        ] {
            let wanted = Property::new("TimeoutStopUSec", Value::U64(time));
            assert_eq!(read("TimeoutStopSec", value), Ok(wanted), "{value}");
        }
        let wanted = Property::new("TimeoutStopUSec", Value::U64(7));
        assert_eq!(read("TimeoutStopUSec", "uint64 7"), Ok(wanted));
    }

    #[test]
    fn other_values_are_told_as_they_are() {
        let wanted = Property::new("CollectMode", Value::text("inactive-or-failed"));
        assert_eq!(read("CollectMode", "'inactive-or-failed'"), Ok(wanted));
        let found =
            read("After", "['a.service', 'b.service']").map(|it| it.value.kind().to_string());
        assert_eq!(found.as_deref(), Ok("as"));
    }

    #[test]
    fn faults_name_the_annotation() {
        let fault = |name, value| read(name, value).err().unwrap_or_default();
        for (name, value, words) in [
            ("ab", "1", "invalid property name"),
            ("a-b-c", "1", "invalid property name"),
            ("TimeoutStopSec", "'x'", "value parse error: not a number"),
            ("After", "[", "value parse error"),
            ("PIDs", "[uint32 1]", "not for an annotation"),
        ] {
            let text = fault(name, value);
            assert!(
                text.starts_with(&format!("annotations[\"{PREFIX}{name}\"]: ")),
                "{text}"
            );
            assert!(text.contains(words), "{text}");
        }
    }
}
