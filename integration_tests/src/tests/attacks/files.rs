//! Descriptors, directories and names that lead out.

use std::fs;

use serde_json::json;

use crate::harness::config::with_env;
use crate::harness::{Case, Outcome, Seen, has, holds, lacks, same};
use crate::tests::list;

list!["attacks":
    directory_by_a_descriptor,
    program_by_a_descriptor,
    runtime_as_the_program,
    binary_is_the_same_afterwards,
    created_init_holds_no_host_file,
    preload_of_the_image_stays_in_the_image,
    number_that_is_a_name,
];

fn outside(text: &str) -> bool {
    // A directory of the host is unreachable, or shows a name that no image has.
    text.contains("(unreachable)")
        || text.contains("lodge-tests-")
        || text.contains("/sys/fs/cgroup")
}

fn directory_by_a_descriptor(case: &Case) -> Outcome {
    let script = "readlink /proc/self/cwd; ls -d ../../../../tmp/lodge-tests-* 2>/dev/null; true";
    let leaking = "exec 7</ 8</proc; exec \"$@\"";
    for number in 3..16 {
        for end in ["", "/..", "/../.."] {
            let cwd = format!("/proc/self/fd/{number}{end}");
            case.edit(|c| c["process"]["cwd"] = json!(cwd))?;
            case.bundle.script(script)?;
            let answer = case.call(&["run", &case.id]).under(leaking).answer()?;
            holds(format!("{cwd}: {}", answer.out()), !outside(&answer.out()))?;
        }
    }
    case.edit(|c| c["process"]["cwd"] = json!("/"))?;
    case.run_asleep()?;
    for number in 3..16 {
        let cwd = format!("/proc/self/fd/{number}");
        let line = ["exec", "--cwd", &cwd, &case.id, "/bin/sh", "-c", script];
        let answer = case.call(&line).under(leaking).answer()?;
        holds(
            format!("exec in {cwd}: {}", answer.out()),
            !outside(&answer.out()),
        )?;
    }
    Ok(())
}

fn program_by_a_descriptor(case: &Case) -> Outcome {
    for number in 3..12 {
        let program = format!("/proc/self/fd/{number}/../../../../../../../bin/cat");
        case.edit(|c| c["process"]["args"] = json!([program, "/proc/self/mountinfo"]))?;
        let answer = case.run()?;
        lacks(&answer.out(), "/sys/fs/cgroup/unified ")?;
    }
    case.nothing_left()
}

fn runtime_as_the_program(case: &Case) -> Outcome {
    // Whatever answers to /proc/self/exe is not writable and not the host's file.
    let script = case.bundle.rootfs.join("run");
    fs::write(&script, "#!/proc/self/exe\n")?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    for program in ["/proc/self/exe", "/run"] {
        case.edit(|c| c["process"]["args"] = json!([program]))?;
        let answer = case.call(&["run", &case.id]).limit(20).answer()?;
        lacks(&answer.err(), "panicked")?;
    }
    case.nothing_left()
}

fn binary_is_the_same_afterwards(case: &Case) -> Outcome {
    // A process of the container looks for a newcomer's executable and tries to write it.
    let binary = &crate::harness::Host::get().binary;
    let before = (fs::metadata(binary)?.modified()?, fs::read(binary)?.len());
    let tries = "while :; do for p in /proc/[0-9]*; do if [ $p != /proc/$$ ]; then sh -c \": 3>>$p/exe && echo opened $p >> /opened\" 2>/dev/null; fi; done; done";
    case.edit(|c| {
        crate::harness::config::with_capabilities(c, &["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    })?;
    case.run_detached(tries)?;
    for _ in 0..20 {
        case.rt(&["exec", &case.id, "true"])?.ok()?;
    }
    let after = (fs::metadata(binary)?.modified()?, fs::read(binary)?.len());
    same("time and size of the binary", after, before)
}

fn created_init_holds_no_host_file(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    let pid = case.pid()?;
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let target = fs::read_link(entry?.path())?.to_string_lossy().into_owned();
        let fine = [
            "anon_inode:",
            "socket:",
            "pipe:",
            "/memfd:",
            "/dev/null",
            "/dev/pts/",
            "/proc",
        ]
        .iter()
        .any(|start| target.starts_with(start))
            || target == "/"
            || target.contains("/logs/")
            || target.ends_with("/exec.fifo")
            || target.contains("cpu.cfs_");
        holds(format!("{target} is no door"), fine)?;
    }
    let exe = fs::read_link(format!("/proc/{pid}/exe"))?
        .to_string_lossy()
        .into_owned();
    let binary = crate::harness::Host::get()
        .binary
        .to_string_lossy()
        .into_owned();
    holds(format!("{exe} is a copy"), exe != binary || sealed(pid))
}

/// Whether the executable of a process cannot be opened for writing.
fn sealed(pid: i32) -> bool {
    let opened = fs::OpenOptions::new()
        .append(true)
        .open(format!("/proc/{pid}/exe"));
    opened.is_err_and(|error| error.raw_os_error() == Some(nix::libc::EROFS))
}

fn preload_of_the_image_stays_in_the_image(case: &Case) -> Outcome {
    case.edit(|c| {
        with_env(c, "LD_PRELOAD=/lib/evil.so");
        with_env(c, "BASH_ENV=/evil");
        for kind in [
            "prestart",
            "createRuntime",
            "createContainer",
            "poststart",
            "poststop",
        ] {
            let file = case.bundle.rootfs.join(kind).to_string_lossy().into_owned();
            c["hooks"][kind] =
                json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("env > {file}")]}]);
        }
    })?;
    case.run_script("true")?;
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ] {
        let env = fs::read_to_string(case.bundle.rootfs.join(kind))?;
        lacks(&env, "LD_PRELOAD")?;
        lacks(&env, "BASH_ENV")?;
    }
    Ok(())
}

fn number_that_is_a_name(case: &Case) -> Outcome {
    // A numeric name in the image's passwd file changes nobody's number.
    let passwd = "1000:x:0:0::/root:/bin/sh\n";
    fs::write(case.bundle.rootfs.join("etc/passwd"), passwd)?;
    case.edit(|c| crate::harness::config::with_user(c, 1000, 1000))?;
    same(
        "Uid",
        Seen::parse(&case.run_script(Seen::SCRIPT)?)?.status("Uid"),
        "1000 1000 1000 1000",
    )?;
    case.run_asleep()?;
    has(
        &case.exec_script(&["-u", "1000"], "grep ^Uid /proc/self/status")?,
        "1000",
    )
}
