//! The steps that CRIU tells of.

use std::os::fd::OwnedFd;

use super::failure::garbled;
use super::messages::Response;
use crate::error::Error;

/// A step that CRIU has come to; it goes on when it is answered.
#[derive(Debug)]
pub(crate) enum Step {
    /// The namespaces are made, and their first process is this one.
    SetupNamespaces(i32),
    /// The processes are made and wait; the first is this one.
    PostRestore(i32),
    /// The master of a terminal that nobody in the images has.
    OrphanPtsMaster(OwnedFd),
    /// Pages can be fetched.
    StatusReady,
}

/// What is done at a step; a failure ends the task.
pub(crate) type AtStep<'a> = dyn FnMut(Step) -> Result<(), Error> + 'a;

/// Does what a notification asks for; steps that nobody here takes part in are
/// answered all the same.
pub(super) fn take(
    response: &Response,
    fds: Vec<OwnedFd>,
    at: &mut AtStep<'_>,
) -> Result<(), Error> {
    let notify = response.notify.clone().unwrap_or_default();
    let script = notify.script.unwrap_or_default();
    log::debug!("criu notifies: {script}");
    let step = match (script.as_str(), notify.pid) {
        ("setup-namespaces", Some(pid)) => Step::SetupNamespaces(pid),
        ("post-restore", Some(pid)) => Step::PostRestore(pid),
        ("status-ready", _) => Step::StatusReady,
        ("orphan-pts-master", _) => {
            let fd = fds.into_iter().next().ok_or_else(garbled)?;
            Step::OrphanPtsMaster(fd)
        }
        _ => return Ok(()),
    };
    at(step)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Response, Step, take};
    use crate::criu::messages::{Kind, Notify};

    fn notification(script: &str, pid: Option<i32>) -> Response {
        Response {
            kind: Kind::Notify.into(),
            success: true,
            notify: Some(Notify {
                script: Some(script.to_owned()),
                pid,
            }),
            ..Response::default()
        }
    }

    #[test]
    fn steps_that_concern_us_are_taken() {
        let mut seen = Vec::new();
        let mut at = |step: Step| {
            seen.push(format!("{step:?}"));
            Ok(())
        };
        for (script, pid) in [
            ("pre-dump", None),
            ("setup-namespaces", Some(5)),
            ("network-lock", None),
            ("post-restore", Some(6)),
            ("status-ready", None),
            ("made-up", None),
        ] {
            take(&notification(script, pid), Vec::new(), &mut at).unwrap();
        }
        assert!(
            take(
                &notification("orphan-pts-master", None),
                Vec::new(),
                &mut at
            )
            .is_err()
        );
        assert_eq!(
            seen,
            ["SetupNamespaces(5)", "PostRestore(6)", "StatusReady"]
        );
    }
}
