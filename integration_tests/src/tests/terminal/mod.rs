//! Terminals: the console socket, the foreground relay.

mod foreground;
mod jail;
mod odd;
mod socket;

use serde_json::json;

use crate::harness::{Case, Outcome};

pub(super) fn tests() -> Vec<super::Test> {
    [
        socket::tests(),
        foreground::tests(),
        jail::tests(),
        odd::tests(),
    ]
    .concat()
}

/// A container whose program has a terminal.
fn with_terminal(case: &Case, script: &str) -> Outcome {
    case.bundle.script(script)?;
    case.edit(|c| c["process"]["terminal"] = json!(true))
}
