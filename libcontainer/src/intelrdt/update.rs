//! `update`: other shares for a container that runs.

use super::group::write_lines;
use super::record::ResctrlRecord;
use super::schema;
use crate::error::{Error, Findings};

/// Writes `l3CacheSchema` and `memBwSchema` anew. Where a line is refused, all is
/// as before.
///
/// # Errors
/// `InvalidConfig` for a schema that is none, or what the kernel has against it.
pub fn update(
    record: &ResctrlRecord,
    cache: Option<&str>,
    bandwidth: Option<&str>,
) -> Result<(), Error> {
    let mut findings = Findings::new();
    let lines = schema::lines("", cache, bandwidth, &mut findings);
    if findings.has_errors() {
        return Err(findings.into());
    }
    if lines.is_empty() {
        return Ok(());
    }
    Ok(write_lines(
        &record.mount,
        &record.folder(),
        lines.iter(),
        false,
    )?)
}
