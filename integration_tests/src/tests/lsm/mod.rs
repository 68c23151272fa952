//! `AppArmor`, `SELinux`, and the session keyring. Labels are tested where their
//! security module is.

mod apparmor;
mod keyring;
mod selinux;

pub(super) fn tests() -> Vec<super::Test> {
    [apparmor::tests(), keyring::tests(), selinux::tests()].concat()
}
