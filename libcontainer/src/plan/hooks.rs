//! The hooks of the six kinds.

use std::path::Path;

use super::types::HookPlan;
use crate::error::Findings;
use crate::spec::oci::Hook;

/// Judges the hooks of one kind.
pub(super) fn plan(
    kind: &str,
    hooks: Option<&Vec<Hook>>,
    findings: &mut Findings,
) -> Vec<HookPlan> {
    hooks
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, hook)| one(hook, &format!("hooks.{kind}[{index}]"), findings))
        .collect()
}

fn one(hook: &Hook, field: &str, findings: &mut Findings) -> HookPlan {
    let path: &Path = hook.path();
    if !path.is_absolute() {
        findings.error(
            format!("{field}.path"),
            format!("{:?} is not an absolute path", path.to_string_lossy()),
        );
    }
    let timeout = hook.timeout().map(u32::try_from);
    if let Some(Ok(0) | Err(_)) = timeout {
        findings.error(format!("{field}.timeout"), "must be greater than 0 seconds");
    }
    HookPlan {
        path: path.to_owned(),
        args: hook.args().clone().unwrap_or_default(),
        // An empty list is to Go what an absent one is.
        env: hook.env().clone().filter(|env| !env.is_empty()),
        timeout: timeout.and_then(Result::ok),
    }
}
