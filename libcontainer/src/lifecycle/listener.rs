//! Handing the listener of a filter that notifies to the agent that answers
//! (runtime-spec, config-linux, "The Container Process State").

use std::os::fd::AsFd;

use serde_json::{Value, json};

use crate::container::Status;
use crate::error::{Error, StepError};
use crate::hooks;
use crate::plan::HookState;
use crate::process::Child;
use crate::seccomp::Filter;
use crate::sys::Errno;
use crate::sys::process::pidfd_getfd;
use crate::terminal::ConsoleSocket;

/// A connection to the agent.
#[derive(Debug)]
pub(super) struct Agent {
    socket: ConsoleSocket,
    metadata: Option<String>,
}

/// The container, as the agent is told of it.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) state: &'a HookState,
    pub(super) status: Status,
    /// Of the container's init.
    pub(super) init: i32,
}

impl Agent {
    /// Connects to the agent of a filter that has one, before anything is made.
    pub(super) fn connect(filter: Option<&Filter>) -> Result<Option<Self>, Error> {
        let Some(listener) = filter.and_then(|filter| filter.listener.as_ref()) else {
            return Ok(None);
        };
        let socket = ConsoleSocket::connect(&listener.path).map_err(|failed| {
            Error::from(failed)
                .context("failed to connect with seccomp agent")
                .with_path("linux.seccomp.listenerPath")
        })?;
        Ok(Some(Self {
            socket,
            metadata: listener.metadata.clone(),
        }))
    }

    /// Takes the listener out of the process by its number there, and sends it.
    /// The process itself could not: the call may be one that waits for the
    /// agent's answer.
    pub(super) fn hand_over(
        &self,
        child: &Child,
        number: i32,
        told: &Told<'_>,
    ) -> Result<(), Error> {
        let failed = |errno: Errno| StepError::new("take over", "the seccomp listener", errno);
        let listener = pidfd_getfd(child.pidfd.as_fd(), number).map_err(failed)?;
        let message = self.message(child.pid, told);
        self.socket.send(listener.as_fd(), &message)?;
        Ok(())
    }

    fn message(&self, pid: i32, told: &Told<'_>) -> String {
        let state = hooks::document(told.state, told.status, told.init);
        let state: Value = serde_json::from_str(&state).unwrap_or_default();
        let mut message = json!({
            "ociVersion": crate::spec::VERSION,
            "fds": ["seccompFd"],
            "pid": pid,
            "state": state,
        });
        if let (Some(metadata), Value::Object(fields)) = (&self.metadata, &mut message) {
            fields.insert("metadata".to_owned(), json!(metadata));
        }
        message.to_string()
    }
}

/// A filter that notifies with nobody to tell: refused when it was planned.
pub(super) fn no_agent() -> Error {
    Error::new(
        crate::error::ErrorKind::Internal,
        "the container's filter has a listener, and no agent is known",
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Agent, Told};
    use crate::container::Status;
    use crate::plan::HookState;
    use crate::seccomp::{Filter, Listener};
    use serde_json::json;

    #[test]
    fn the_message_is_the_container_process_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let _agent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let filter = Filter {
            program: Vec::new(),
            flags: 0,
            listener: Some(Listener {
                path,
                metadata: Some("words".to_owned()),
            }),
        };
        let agent = Agent::connect(Some(&filter)).unwrap().unwrap();
        let state = HookState {
            oci_version: "1.2.0".to_owned(),
            id: "c1".to_owned(),
            bundle: "/b".into(),
            annotations: Vec::new(),
        };
        let told = Told {
            state: &state,
            status: Status::Running,
            init: 7,
        };
        let message: serde_json::Value = serde_json::from_str(&agent.message(9, &told)).unwrap();
        assert_eq!(
            message,
            json!({
                "ociVersion": crate::spec::VERSION,
                "fds": ["seccompFd"],
                "pid": 9,
                "metadata": "words",
                "state": {"ociVersion": "1.2.0", "id": "c1", "status": "running", "pid": 7, "bundle": "/b"},
            })
        );
    }

    #[test]
    fn an_agent_that_is_not_there_is_named() {
        assert!(Agent::connect(None).unwrap().is_none());
        let filter = Filter {
            program: Vec::new(),
            flags: 0,
            listener: Some(Listener {
                path: "/nosuch/agent".into(),
                metadata: None,
            }),
        };
        let text = Agent::connect(Some(&filter)).unwrap_err().to_string();
        assert_eq!(
            text,
            "failed to connect with seccomp agent: cannot connect to /nosuch/agent: no such file or directory"
        );
    }
}
