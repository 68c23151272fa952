//! The filter in the kernel, on a thread of a process of its own.

use std::env;
use std::fs;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

use super::filter;

/// Says to a copy of the test program that it may filter itself.
const MARK: &str = "LODGE_TEST_UNDER_SECCOMP";

const PROFILE: &str = r#"{
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
                      "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"],
    "listenerPath": "/agent",
    "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18},
      {"names": ["umount2"], "action": "SCMP_ACT_NOTIFY"},
      {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95,
       "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]}
    ]}"#;

#[test]
fn the_kernel_does_what_the_profile_says() {
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "seccomp::tests::kernel::filtered"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Does nothing unless the test above runs it.
#[test]
fn filtered() {
    if env::var_os(MARK).is_none() {
        return;
    }
    let native = crate::seccomp::Arch::native().unwrap();
    let filter = crate::seccomp::compile(&super::spec(PROFILE), native)
        .unwrap()
        .unwrap();
    let docker = super::filter(super::DOCKER);
    nix::sys::prctl::set_no_new_privs().unwrap();
    let listener = filter.install().unwrap().unwrap();
    let flags = nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags, libc::FD_CLOEXEC);
    assert!(listener.as_raw_fd() > 2);

    let refused = fs::create_dir("/tmp/never").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(18));
    let refused = kill(getpid(), Signal::SIGUSR1).unwrap_err();
    assert_eq!(refused, nix::errno::Errno::EOPNOTSUPP);
    kill(getpid(), None).unwrap();
    fs::read("/proc/self/stat").unwrap();

    if native == crate::seccomp::Arch::X86_64 {
        assert!(docker.install().unwrap().is_none());
        assert!(fs::read("/proc/self/stat").is_ok());
        let refused = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).unwrap_err();
        assert_eq!(refused, nix::errno::Errno::EPERM);
    }
    drop(filter_of_everything());
}

/// The longest program that fits is taken by the kernel too.
fn filter_of_everything() -> Option<std::os::fd::OwnedFd> {
    let archs = crate::seccomp::known_archs().join("\",\"");
    let docker = super::DOCKER.replace("SCMP_ARCH_X32", &archs);
    let filter = filter(&docker);
    filter.install().unwrap()
}
