//! The controller cpu; `cpu.stat` is there without it too.

use super::super::cpu::{Cpu, CpuUsage, Throttling};
use super::super::numbers::{of_key, text_if_there};
use crate::error::StepError;

const NANOSECONDS_A_MICROSECOND: u64 = 1000;

pub(in super::super) fn read(folder: &str) -> Result<Cpu, StepError> {
    let text = text_if_there(folder, "cpu.stat")?.unwrap_or_default();
    Ok(parse(&text))
}

fn parse(text: &str) -> Cpu {
    let nanoseconds = |key| of_key(text, key).saturating_mul(NANOSECONDS_A_MICROSECOND);
    Cpu {
        usage: CpuUsage {
            total: nanoseconds("usage_usec"),
            kernel: nanoseconds("system_usec"),
            user: nanoseconds("user_usec"),
            ..CpuUsage::default()
        },
        throttling: Throttling {
            periods: of_key(text, "nr_periods"),
            throttled_periods: of_key(text, "nr_throttled"),
            throttled_time: nanoseconds("throttled_usec"),
        },
        psi: None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::parse;

    #[test]
    fn microseconds_become_nanoseconds() {
        let text = "usage_usec 50\nuser_usec 30\nsystem_usec 20\nnice_usec 0\n\
                    nr_periods 9\nnr_throttled 4\nthrottled_usec 7\n";
        assert_eq!(
            serde_json::to_string(&parse(text)).unwrap(),
            r#"{"usage":{"total":50000,"kernel":20000,"user":30000},"throttling":{"periods":9,"throttledPeriods":4,"throttledTime":7000}}"#
        );
        assert_eq!(serde_json::to_string(&parse("")).unwrap(), "{}");
    }
}
