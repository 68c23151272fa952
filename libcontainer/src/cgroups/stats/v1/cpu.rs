//! The controllers cpuacct and cpu.

use super::super::cpu::{CpuUsage, Throttling};
use super::super::numbers::{number, of_key, text, text_if_there};
use crate::error::StepError;

/// `cpuacct.stat` counts in ticks of `USER_HZ`, which is 100 on every machine.
const NANOSECONDS_A_TICK: u64 = 1_000_000_000 / 100;

/// What was used.
pub(in super::super) fn usage(folder: &str) -> Result<CpuUsage, StepError> {
    let ticks = text(folder, "cpuacct.stat")?;
    let nanoseconds = |key| of_key(&ticks, key).saturating_mul(NANOSECONDS_A_TICK);
    let (percpu_user, percpu_kernel) = text_if_there(folder, "cpuacct.usage_all")?
        .map(|text| by_mode(&text))
        .unwrap_or_default();
    Ok(CpuUsage {
        total: number(folder, "cpuacct.usage")?,
        percpu: list(&text(folder, "cpuacct.usage_percpu")?),
        percpu_kernel,
        percpu_user,
        kernel: nanoseconds("system"),
        user: nanoseconds("user"),
    })
}

/// What the quota held up; nothing where the kernel has no quotas.
pub(in super::super) fn throttling(folder: &str) -> Result<Throttling, StepError> {
    let text = text_if_there(folder, "cpu.stat")?.unwrap_or_default();
    Ok(Throttling {
        periods: of_key(&text, "nr_periods"),
        throttled_periods: of_key(&text, "nr_throttled"),
        throttled_time: of_key(&text, "throttled_time"),
    })
}

fn list(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// `cpuacct.usage_all`: a header, then CPU, user and system.
fn by_mode(text: &str) -> (Vec<u64>, Vec<u64>) {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split(' ').skip(1).map(str::parse::<u64>);
            Some((columns.next()?.ok()?, columns.next()?.ok()?))
        })
        .unzip()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (file, text) in [
            ("cpuacct.stat", "user 3\nsystem 2\n"),
            ("cpuacct.usage", "51234567\n"),
            ("cpuacct.usage_percpu", "51000000 234567 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 30 20\n1 3 2\n"),
            (
                "cpu.stat",
                "nr_periods 9\nnr_throttled 4\nthrottled_time 777\nnr_bursts 0\nburst_time 0\n",
            ),
        ] {
            std::fs::write(root.join(file), text).unwrap();
        }
        let folder = root.to_str().unwrap();
        assert_eq!(
            serde_json::to_string(&usage(folder).unwrap()).unwrap(),
            r#"{"total":51234567,"percpu":[51000000,234567],"percpu_kernel":[20,2],"percpu_user":[30,3],"kernel":20000000,"user":30000000}"#
        );
        assert_eq!(
            serde_json::to_string(&throttling(folder).unwrap()).unwrap(),
            r#"{"periods":9,"throttledPeriods":4,"throttledTime":777}"#
        );
    }
}
