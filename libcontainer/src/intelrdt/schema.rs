//! Lines of a `schemata` file: what a configuration may write, and whether a
//! group has it already.

use std::collections::BTreeMap;

use crate::error::Findings;

/// The lines of `l3CacheSchema` and `memBwSchema`, in the order in which they are
/// written: the cache first (runtime-spec, "IntelRdt").
pub(super) fn lines(
    field: &str,
    cache: Option<&str>,
    bandwidth: Option<&str>,
    findings: &mut Findings,
) -> Vec<String> {
    let mut lines = Vec::new();
    let cache = cache.filter(|text| !text.is_empty());
    let bandwidth = bandwidth.filter(|text| !text.is_empty());
    if let Some(text) = cache {
        let path = format!("{field}l3CacheSchema");
        if text.contains('\n') {
            findings.warning(&path, "more than one line");
        }
        if !text.starts_with("L3") {
            findings.warning(&path, format!("{text:?} does not start with \"L3:\""));
        }
        // Versions before 1.3 let bandwidth stand here, and `memBwSchema` win.
        let own = |line: &&str| !(line.is_empty() || bandwidth.is_some() && is_bandwidth(line));
        lines.extend(text.lines().filter(own).map(str::to_owned));
    }
    if let Some(text) = bandwidth {
        let path = format!("{field}memBwSchema");
        one_line(&path, text, findings);
        if !is_bandwidth(text) {
            findings.error(path, format!("{text:?} does not start with \"MB:\""));
        }
        lines.push(text.to_owned());
    }
    lines
}

/// A line break would write more than was judged.
pub(super) fn one_line(path: &str, text: &str, findings: &mut Findings) {
    if text.contains('\n') {
        findings.error(path, format!("{text:?} has more than one line"));
    }
}

fn is_bandwidth(line: &str) -> bool {
    line.starts_with("MB:")
}

/// Whether writing this line would change nothing in a group with that
/// `schemata`. The kernel writes numbers without leading zeros and with padding,
/// domains in its own order, and rounds bandwidth up to the next step.
pub(super) fn matches(line: &str, schemata: &str, step: Option<u64>) -> bool {
    let Some((name, asked)) = parse(line) else {
        return false;
    };
    let Some((_, present)) = schemata
        .lines()
        .filter_map(parse)
        .find(|(known, _)| *known == name)
    else {
        return false;
    };
    let step = step.filter(|step| *step > 0 && is_bandwidth(line));
    asked.iter().all(|(domain, value)| {
        let rounded = step.and_then(|step| value.checked_next_multiple_of(step));
        let seen = present.get(domain);
        seen == Some(value) || rounded.is_some() && seen == rounded.as_ref()
    })
}

/// `L3:0=ff;1=f`: the resource, and the value of each domain. Cache masks are
/// hexadecimal, bandwidth is decimal.
fn parse(line: &str) -> Option<(&str, BTreeMap<u64, u64>)> {
    let (name, domains) = line.trim().split_once(':')?;
    let radix = if name.starts_with('L') { 16 } else { 10 };
    let mut values = BTreeMap::new();
    for domain in domains.split(';').filter(|text| !text.trim().is_empty()) {
        let (id, value) = domain.split_once('=')?;
        let digits = value.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        values.insert(
            id.trim().parse().ok()?,
            u64::from_str_radix(digits, radix).ok()?,
        );
    }
    (!values.is_empty()).then_some((name.trim(), values))
}

#[cfg(test)]
mod tests {
    use super::{lines, matches};
    use crate::error::Findings;

    const SCHEMATA: &str = "    MB:0=  20;1=  70\n    L3:0=007f0;1=0001f\n";

    #[test]
    fn a_schema_matches_however_it_is_written() {
        for line in [
            "L3:0=7f0;1=1f",
            "L3:1=01f;0=0x7f0",
            "L3:1=1f",
            "MB:0=20;1=70",
            "MB: 1 = 70;",
        ] {
            assert!(matches(line, SCHEMATA, None), "{line}");
        }
        for line in [
            "L3:0=7f0;1=1e",
            "L3:0=7f0;2=1f",
            "MB:0=14",
            "L2:0=1",
            "L3",
            "L3:",
        ] {
            assert!(!matches(line, SCHEMATA, None), "{line}");
        }
    }

    #[test]
    fn bandwidth_is_rounded_up_as_the_kernel_does() {
        assert!(matches("MB:0=11;1=70", SCHEMATA, Some(10)));
        assert!(!matches("MB:0=21", SCHEMATA, Some(10)));
        assert!(!matches("MB:0=11", SCHEMATA, None));
        assert!(!matches("L3:0=7e1", SCHEMATA, Some(16)));
    }

    #[test]
    fn the_cache_is_written_before_the_bandwidth() {
        let mut findings = Findings::new();
        let both = lines("", Some("L3:0=f\nMB:0=10"), Some("MB:0=20"), &mut findings);
        assert_eq!(both, ["L3:0=f", "MB:0=20"]);
        let one = lines("", Some("L3:0=f\nMB:0=10"), None, &mut findings);
        assert_eq!(one, ["L3:0=f", "MB:0=10"]);
        assert!(!findings.has_errors());
        assert_eq!(
            lines("", Some(""), Some(""), &mut findings),
            [""; 0],
            "an empty schema is none"
        );
    }

    #[test]
    fn bandwidth_that_is_none_or_several_is_refused() {
        for (text, words) in [
            ("0=20", "does not start with \"MB:\""),
            ("MB:0=20\nL3:0=1", "has more than one line"),
        ] {
            let mut findings = Findings::new();
            lines("linux.intelRdt.", None, Some(text), &mut findings);
            let said = findings.to_string();
            assert!(
                said.starts_with("linux.intelRdt.memBwSchema: ") && said.contains(words),
                "{said}"
            );
        }
    }
}
