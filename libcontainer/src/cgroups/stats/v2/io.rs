//! The controller io, in the words of v1's blkio.

use super::super::blkio::{Blkio, BlkioEntry};
use super::super::numbers::text_if_there;
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<Blkio, StepError> {
    let text = text_if_there(folder, "io.stat")?.unwrap_or_default();
    Ok(parse(&text))
}

/// Lines of `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn parse(text: &str) -> Blkio {
    let mut io = Blkio::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((Ok(major), Ok(minor))) = words
            .next()
            .and_then(|device| device.split_once(':'))
            .map(|(major, minor)| (major.parse(), minor.parse()))
        else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (field, op) = match key {
                "rbytes" => (&mut io.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut io.io_service_bytes_recursive, "Write"),
                "rios" => (&mut io.io_serviced_recursive, "Read"),
                "wios" => (&mut io.io_serviced_recursive, "Write"),
                _ => continue,
            };
            field.push(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value: value.parse().unwrap_or_default(),
            });
        }
    }
    io
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::parse;

    #[test]
    fn reads_and_writes_are_told_apart() {
        let text = "8:0 rbytes=90 wbytes=0 rios=5 wios=2 dbytes=1 dios=1\n259:1\n";
        assert_eq!(
            serde_json::to_string(&parse(text)).unwrap(),
            r#"{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":90},{"major":8,"op":"Write"}],"ioServicedRecursive":[{"major":8,"op":"Read","value":5},{"major":8,"op":"Write","value":2}]}"#
        );
    }
}
