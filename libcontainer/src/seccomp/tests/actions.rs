//! What each action is for the kernel, several in one program.

use super::{call, filter};

/// `SECCOMP_RET_*` of <linux/seccomp.h>, with its data.
const RETURNED: [(&str, &str, u32); 13] = [
    ("SCMP_ACT_KILL", "", 0x0000_0000),
    ("SCMP_ACT_KILL_THREAD", "", 0x0000_0000),
    ("SCMP_ACT_KILL_PROCESS", "", 0x8000_0000),
    ("SCMP_ACT_TRAP", "", 0x0003_0000),
    ("SCMP_ACT_ERRNO", "", 0x0005_0001),
    ("SCMP_ACT_ERRNO", r#","errnoRet":0"#, 0x0005_0000),
    ("SCMP_ACT_ERRNO", r#","errnoRet":38"#, 0x0005_0026),
    ("SCMP_ACT_ERRNO", r#","errnoRet":65535"#, 0x0005_ffff),
    ("SCMP_ACT_NOTIFY", "", 0x7fc0_0000),
    ("SCMP_ACT_TRACE", "", 0x7ff0_0001),
    ("SCMP_ACT_TRACE", r#","errnoRet":513"#, 0x7ff0_0201),
    ("SCMP_ACT_LOG", "", 0x7ffc_0000),
    ("SCMP_ACT_ALLOW", "", 0x7fff_0000),
];

const NAMES: [(&str, u32); 13] = [
    ("read", 0),
    ("open", 2),
    ("close", 3),
    ("stat", 4),
    ("fstat", 5),
    ("lstat", 6),
    ("poll", 7),
    ("lseek", 8),
    ("mmap", 9),
    ("mprotect", 10),
    ("munmap", 11),
    ("brk", 12),
    ("ioctl", 16),
];

#[test]
fn one_program_has_them_all() {
    let rules = RETURNED
        .iter()
        .zip(NAMES)
        .map(|((action, errno, _), (name, _))| {
            format!(r#"{{"names":["{name}"],"action":"{action}"{errno}}}"#)
        });
    let rules: Vec<String> = rules.collect();
    // The default is none of them, or its rule would be dropped.
    let filter = filter(&format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":99,"listenerPath":"/agent",
            "syscalls":[{}]}}"#,
        rules.join(",")
    ));
    for ((action, errno, want), (name, number)) in RETURNED.iter().zip(NAMES) {
        let answer = filter.answer(&call(number, &[]));
        assert_eq!(answer, *want, "{name}: {action}{errno}");
    }
    assert_eq!(filter.answer(&call(1, &[])), 0x0005_0063);
}

#[test]
fn each_can_be_the_default() {
    for (action, errno, want) in RETURNED {
        if action == "SCMP_ACT_NOTIFY" {
            continue;
        }
        let errno = errno.replace("errnoRet", "defaultErrnoRet");
        let filter = filter(&format!(
            r#"{{"defaultAction":"{action}"{errno},"syscalls":[
                {{"names":["exit"],"action":"SCMP_ACT_ERRNO","errnoRet":5}}]}}"#
        ));
        assert_eq!(filter.answer(&call(0, &[])), want, "{action}{errno}");
    }
}
