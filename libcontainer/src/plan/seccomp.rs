//! The system call filter: of `linux.seccomp`, or of an annotation.

use std::borrow::Cow;
use std::path::PathBuf;

use super::annotations::{self, SECCOMP_PROGRAM, SECCOMP_RECEIVER};
use crate::error::Findings;
use crate::seccomp::{Arch, Filter, compile, raw};
use crate::spec::oci::{LinuxSeccomp, Spec};

/// The filter of the container's process; the plan of one that joins later takes
/// it over.
pub(super) fn plan(
    spec: &Spec,
    asked: Option<&LinuxSeccomp>,
    findings: &mut Findings,
) -> Option<Filter> {
    let receiver = annotations::path(spec, SECCOMP_RECEIVER, findings).map(PathBuf::from);
    let asked = asked.map(|asked| listened(asked, receiver.as_ref()));
    if let Some(text) = annotations::value(spec, SECCOMP_PROGRAM) {
        let listener = match &asked {
            Some(asked) => asked.listener_path().clone(),
            None => receiver,
        };
        return match raw(text, asked.as_deref(), listener) {
            Ok(filter) => Some(filter),
            Err(reason) => {
                findings.error(annotations::place(SECCOMP_PROGRAM), reason);
                None
            }
        };
    }
    asked.and_then(|asked| filter(&asked, findings))
}

/// The configuration's own listener comes before the annotation's.
fn listened<'a>(asked: &'a LinuxSeccomp, receiver: Option<&PathBuf>) -> Cow<'a, LinuxSeccomp> {
    let own = asked.listener_path().as_ref();
    if receiver.is_none() || own.is_some_and(|path| !path.as_os_str().is_empty()) {
        return Cow::Borrowed(asked);
    }
    let mut asked = asked.clone();
    asked.set_listener_path(receiver.cloned());
    Cow::Owned(asked)
}

fn filter(asked: &LinuxSeccomp, findings: &mut Findings) -> Option<Filter> {
    let Some(native) = Arch::native() else {
        findings.error(
            "linux.seccomp",
            "no system call numbers are known for this machine",
        );
        return None;
    };
    match compile(asked, native) {
        Ok(filter) => filter,
        Err(refused) => {
            findings.extend(refused);
            None
        }
    }
}
