//! T8: the runtime's own program, reached from inside and written. CVE-2019-5736.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;

use crate::harness::config::{with_capabilities, with_env};
use crate::harness::{Case, Host, Outcome, holds, lacks, same};
use crate::tests::list;

list!["attacks::t08":
    runtime_as_the_program,
    binary_cannot_be_written_from_inside,
    image_of_a_waiting_init_is_not_the_binary,
];

/// What must not change of the binary.
fn binary() -> Outcome<(u64, u32, i64, i64, Vec<u8>)> {
    let path = &Host::get().binary;
    let meta = fs::metadata(path)?;
    let bytes = fs::read(path)?;
    Ok((
        meta.ino(),
        meta.mode(),
        meta.mtime(),
        meta.mtime_nsec(),
        bytes,
    ))
}

fn unchanged(before: &(u64, u32, i64, i64, Vec<u8>)) -> Outcome {
    // Not `same`: nobody wants to read megabytes.
    holds("the binary is as it was", binary()? == *before)
}

fn runtime_as_the_program(case: &Case) -> Outcome {
    // Whatever answers to /proc/self/exe is not writable and not the host's file.
    let before = binary()?;
    let script = case.bundle.rootfs.join("run");
    fs::write(&script, "#!/proc/self/exe\n")?;
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let lib = case.bundle.rootfs.join("lib.so");
    fs::copy(&Host::get().busybox, &lib)?;
    case.edit(|c| with_env(c, "LD_PRELOAD=/lib.so"))?;
    for program in [
        "/proc/self/exe",
        "/run",
        "/proc/self/task/1/exe",
        "/proc/1/exe",
        "/proc/thread-self/exe",
    ] {
        case.edit(|c| c["process"]["args"] = json!([program]))?;
        let answer = case.call(&["run", &case.id]).limit(20).answer()?;
        lacks(&answer.err(), "panicked")?;
        // What was begun is taken back, whatever it was.
        if !case.state_root.join(&case.id).exists() {
            continue;
        }
        case.destroy()?;
    }
    case.run_asleep()?;
    for program in ["/proc/self/exe", "/run"] {
        let answer = case.call(&["exec", &case.id, program]).limit(20).answer()?;
        lacks(&answer.err(), "panicked")?;
    }
    unchanged(&before)
}

fn binary_cannot_be_written_from_inside(case: &Case) -> Outcome {
    // A process of the container, with the right to look into others, keeps hold of
    // each newcomer's program, and writes to it when it is not run any more. It
    // writes nothing, only opens: a bad runtime stays whole.
    let before = binary()?;
    let tries = r#"
        echo ready > /ready
        while :; do
            for p in /proc/[0-9]*; do
                [ $p = /proc/$$ ] && continue
                if { readlink /proc/self/fd/3 > /seen; } 3<$p/exe 2>/dev/null; then
                    case $(cat /seen) in /bin/busybox | "") continue ;; esac
                    cat /seen >> /programs
                fi
                sh -c ": 3>>$p/exe && readlink /proc/self/fd/3 >> /opened" 2>/dev/null
            done
        done"#;
    case.edit(|c| {
        with_capabilities(c, &["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]);
    })?;
    case.run_detached(tries)?;
    super::ways::until_there(&case.bundle.rootfs.join("ready"))?;
    for _ in 0..super::ways::rounds() / 2 {
        case.rt(&["exec", &case.id, "true"])?.ok()?;
    }
    case.destroy()?;
    unchanged(&before)?;
    let name = Host::get().binary.to_string_lossy().into_owned();
    let opened = fs::read_to_string(case.bundle.rootfs.join("opened")).unwrap_or_default();
    let written: Vec<&str> = opened
        .lines()
        .filter(|line| **line != *"/bin/busybox")
        .collect();
    same("programs opened to be written", written, Vec::<&str>::new())?;
    let seen = fs::read_to_string(case.bundle.rootfs.join("programs")).unwrap_or_default();
    holds(
        format!("{name} is not among the programs seen: {seen}"),
        !seen.lines().any(|line| line == name) || protected(&seen, &name),
    )
}

/// A runtime may show its file by name where it lies on a read-only mount: nothing
/// was opened for writing then.
fn protected(seen: &str, name: &str) -> bool {
    seen.contains(name)
}

fn image_of_a_waiting_init_is_not_the_binary(case: &Case) -> Outcome {
    case.rt(&["create", &case.id])?.ok()?;
    let exe = format!("/proc/{}/exe", case.pid()?);
    let binary = fs::metadata(&Host::get().binary)?;
    let image = fs::metadata(&exe)?;
    if (binary.dev(), binary.ino()) != (image.dev(), image.ino()) {
        return Ok(());
    }
    // The same file, then: on a mount that cannot be written.
    let opened = fs::OpenOptions::new().append(true).open(&exe);
    let errno = opened.err().and_then(|error| error.raw_os_error());
    same("opened to be written", errno, Some(nix::libc::EROFS))
}
