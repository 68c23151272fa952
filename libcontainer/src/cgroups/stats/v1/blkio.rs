//! The controller blkio.

use super::super::blkio::{Blkio, BlkioEntry};
use super::super::numbers::text_if_there;
use crate::error::StepError;

/// Counters, by the end of their files' names.
type Counter = (&'static str, fn(&mut Blkio) -> &mut Vec<BlkioEntry>);

/// What every source has.
const BASIC: [Counter; 2] = [
    ("io_serviced", |io| &mut io.io_serviced_recursive),
    ("io_service_bytes", |io| &mut io.io_service_bytes_recursive),
];

/// What a scheduler has that counts all.
const FULL: [Counter; 8] = [
    ("sectors", |io| &mut io.sectors_recursive),
    ("io_service_time", |io| &mut io.io_service_time_recursive),
    ("io_wait_time", |io| &mut io.io_wait_time_recursive),
    ("io_merged", |io| &mut io.io_merged_recursive),
    ("io_queued", |io| &mut io.io_queued_recursive),
    ("time", |io| &mut io.io_time_recursive),
    BASIC[0],
    BASIC[1],
];

/// Whose files are taken: of the first source that has counted anything.
const SOURCES: [(&str, &str, &[Counter]); 5] = [
    // BFQ built for debugging, BFQ, CFQ (before Linux 5), and what is counted
    // below every scheduler.
    ("blkio.bfq.", "_recursive", &FULL),
    ("blkio.bfq.", "_recursive", &BASIC),
    ("blkio.", "_recursive", &FULL),
    ("blkio.throttle.", "_recursive", &BASIC),
    ("blkio.throttle.", "", &BASIC),
];

pub(in super::super) fn read(folder: &str) -> Result<Blkio, StepError> {
    let mut io = Blkio::default();
    for (prefix, suffix, counters) in SOURCES {
        let mut counted = false;
        for (name, field) in counters {
            let text = text_if_there(folder, &format!("{prefix}{name}{suffix}"))?;
            let entries = entries(&text.unwrap_or_default());
            // The first file tells whether the source is in use.
            if !counted && entries.is_empty() {
                break;
            }
            counted = true;
            *field(&mut io) = entries;
        }
        if counted {
            break;
        }
    }
    Ok(io)
}

/// Lines of `8:0 Read 1282048` or `8:0 6792`; a sum of all ends them.
fn entries(text: &str) -> Vec<BlkioEntry> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (major, minor) = words.next()?.split_once(':')?;
            let (first, second) = (words.next()?, words.next());
            let (op, value) = second.map_or(("", first), |value| (first, value));
            Some(BlkioEntry {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
                op: op.to_owned(),
                value: value.parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::read;

    #[test]
    fn the_first_source_that_counted_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let put = |file: &str, text: &str| {
            std::fs::write(root.join(format!("blkio.{file}")), text).unwrap();
        };
        let json = || serde_json::to_string(&read(root.to_str().unwrap()).unwrap()).unwrap();
        assert_eq!(json(), "{}");
        put("bfq.io_serviced_recursive", "Total 0\n");
        put("bfq.io_service_bytes_recursive", "Total 0\n");
        put(
            "throttle.io_serviced_recursive",
            "8:0 Read 3\n8:0 Total 3\nTotal 3\n",
        );
        put(
            "throttle.io_service_bytes_recursive",
            "8:0 Read 4096\nTotal 4096\n",
        );
        put("throttle.io_serviced", "8:0 Read 1\n");
        assert_eq!(
            json(),
            r#"{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":4096}],"ioServicedRecursive":[{"major":8,"op":"Read","value":3},{"major":8,"op":"Total","value":3}]}"#
        );
        put("sectors_recursive", "8:16 6792\n");
        assert_eq!(
            json(),
            r#"{"sectorsRecursive":[{"major":8,"minor":16,"value":6792}]}"#
        );
    }
}
