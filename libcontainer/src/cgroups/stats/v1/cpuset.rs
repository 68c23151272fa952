//! The controller cpuset.

use super::super::cpuset::Cpuset;
use super::super::numbers::{number_if_there, text_if_there};
use crate::error::StepError;

pub(in super::super) fn read(folder: &str) -> Result<Cpuset, StepError> {
    let text = |file: &str| {
        let text = text_if_there(folder, &format!("cpuset.{file}"))?;
        Ok::<_, StepError>(text.unwrap_or_default())
    };
    let number = |file: &str| {
        let number = number_if_there(folder, &format!("cpuset.{file}"))?;
        Ok::<_, StepError>(number.unwrap_or_default())
    };
    Ok(Cpuset {
        cpus: list(&text("cpus")?),
        cpu_exclusive: number("cpu_exclusive")?,
        mems: list(&text("mems")?),
        mem_hardwall: number("mem_hardwall")?,
        mem_exclusive: number("mem_exclusive")?,
        memory_migrate: number("memory_migrate")?,
        memory_spread_page: number("memory_spread_page")?,
        memory_spread_slab: number("memory_spread_slab")?,
        memory_pressure: number("memory_pressure")?,
        sched_load_balance: number("sched_load_balance")?,
        sched_relax_domain_level: text("sched_relax_domain_level")?
            .trim()
            .parse()
            .unwrap_or_default(),
    })
}

/// The numbers of `0-2,7`.
fn list(text: &str) -> Vec<u16> {
    text.trim()
        .split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{list, read};

    #[test]
    fn ranges_are_spelt_out() {
        assert_eq!(list("0-2,7\n"), [0, 1, 2, 7]);
        assert_eq!(list("5"), [5]);
        assert_eq!(list("\n"), [0; 0]);
    }

    #[test]
    fn every_file_has_its_field() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (file, text) in [
            ("cpus", "0-1"),
            ("mems", "0"),
            ("sched_load_balance", "1"),
            ("sched_relax_domain_level", "-1"),
            ("memory_migrate", "1"),
        ] {
            std::fs::write(root.join(format!("cpuset.{file}")), format!("{text}\n")).unwrap();
        }
        assert_eq!(
            serde_json::to_string(&read(root.to_str().unwrap()).unwrap()).unwrap(),
            r#"{"cpus":[0,1],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":1,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":1,"sched_relax_domain_level":-1}"#
        );
    }
}
