//! The six kinds of hooks.

mod failing;
mod output;
mod running;

use serde_json::{Value, json};

use crate::harness::{Case, Outcome};

pub(super) fn tests() -> Vec<super::Test> {
    [running::tests(), failing::tests(), output::tests()].concat()
}

/// All kinds, in the order they run.
const KINDS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// Adds a hook.
fn add(case: &Case, kind: &str, hook: Value) -> Outcome {
    case.edit(|c| {
        if !c["hooks"][kind].is_array() {
            c["hooks"][kind] = json!([]);
        }
        if let Some(list) = c["hooks"][kind].as_array_mut() {
            list.push(hook);
        }
    })
}

/// A hook that is a shell script; in a container's root the shell has the same name.
fn script(text: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", text]})
}

/// A place in the root file system that hooks inside and outside can write:
/// its name for a hook of this kind.
fn place(case: &Case, kind: &str, name: &str) -> String {
    if kind == "startContainer" {
        format!("/{name}")
    } else {
        case.bundle.rootfs.join(name).to_string_lossy().into_owned()
    }
}
