//! Lines of the debug log. Those who watch a runtime's steps in its log know
//! runc's words for them: these keep them, before our own.

use crate::process::Child;

/// The process exists and sets itself up.
pub(super) fn spawned(child: &Child) {
    log::debug!("nsexec container setup: process {} is made", child.pid);
}

/// It was given these processors to set itself up on, a bit each.
pub(super) fn affinity(child: &Child, mask: &[u64]) {
    log::debug!("nsexec[{}]: affinity: {}", child.pid, hexadecimal(mask));
}

/// It is in its namespaces, with all that the runtime has to see.
pub(super) fn set_up(child: &Child) {
    log::debug!("child process in init(): process {} is set up", child.pid);
}

/// An init has nothing more to say: it waits for `start`, or runs its program.
pub(super) fn init_is_gone() {
    log::debug!("init: closing the pipe to signal completion: the container stands");
}

/// A process of `exec` goes on to its program.
pub(super) fn tenant_proceeds(program: &str) {
    log::debug!("setns_init: about to exec {program}");
}

/// As one number, without leading zeros.
fn hexadecimal(mask: &[u64]) -> String {
    let words = mask.iter().rev().map(|word| format!("{word:016x}"));
    let digits = words.collect::<Vec<_>>().concat();
    match digits.trim_start_matches('0') {
        "" => "0x0".to_owned(),
        digits => format!("0x{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::hexadecimal;

    #[test]
    fn masks_are_one_number() {
        for (mask, text) in [
            (&[2][..], "0x2"),
            (&[0, 1], "0x10000000000000000"),
            (&[0], "0x0"),
            (&[], "0x0"),
        ] {
            assert_eq!(hexadecimal(mask), text);
        }
    }
}
