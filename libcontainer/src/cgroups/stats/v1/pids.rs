//! The controller pids.

use super::super::numbers::number;
use super::super::pids::Pids;
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<Pids, StepError> {
    let limit = number(folder, "pids.max")?;
    Ok(Pids {
        current: number(folder, "pids.current")?,
        limit: if limit == u64::MAX { 0 } else { limit },
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::read;

    #[test]
    fn no_limit_is_zero() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join("pids.current"), "3\n").unwrap();
        for (text, limit) in [("max\n", 0), ("20\n", 20)] {
            std::fs::write(root.join("pids.max"), text).unwrap();
            let pids = read(root.to_str().unwrap()).unwrap();
            assert_eq!((pids.current, pids.limit), (3, limit));
        }
    }
}
