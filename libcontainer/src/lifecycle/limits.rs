//! What is set of a process from outside, by whoever may raise it.

use crate::error::{Error, StepError};
use crate::plan;
use crate::sys::Errno;
use crate::sys::process::set_rlimit;

/// Resource limits and the memory score: set by us, who may raise them.
pub(super) fn set_process_limits(
    pid: libc::pid_t,
    process: &plan::ProcessPlan,
    rootless: bool,
) -> Result<(), Error> {
    for limit in &process.rlimits {
        set_rlimit(pid, limit.number(), limit.soft, limit.hard).map_err(|errno| {
            let what = format!(
                "process.rlimits: {} to soft {} hard {}",
                limit.resource, limit.soft, limit.hard
            );
            let error = StepError::new("set", what, errno);
            if errno == Errno::EPERM {
                return error.with_detail("above our own hard limit, without CAP_SYS_RESOURCE");
            }
            error
        })?;
    }
    let Some(score) = process.oom_score_adj else {
        return Ok(());
    };
    let path = format!("/proc/{pid}/oom_score_adj");
    match std::fs::write(&path, score.to_string()) {
        Ok(()) => Ok(()),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            // What it has already need not be written.
            let present = std::fs::read_to_string(&path).unwrap_or_default();
            if present.trim().parse() == Ok(score) {
                return Ok(());
            }
            let failed = StepError::new("set", format!("process.oomScoreAdj to {score}"), errno);
            if rootless {
                log::warn!("{failed}");
                return Ok(());
            }
            Err(failed.into())
        }
    }
}
