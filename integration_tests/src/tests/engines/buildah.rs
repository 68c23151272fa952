//! Buildah, root's and an ordinary user's. It reads Podman's settings.

use std::fs;

use crate::harness::{Case, Outcome, Podman, has, needs, same};
use crate::tests::list;

list!["engines::buildah":
    builds,
    a_user_builds,
];

const DOCKERFILE: &str = "FROM busybox
RUN id -u >made && test -c /dev/null && test -r /proc/self/status
USER 1000:1001
RUN test \"$(id -u):$(id -g)\" = 1000:1001
USER 0
RUN --mount=type=tmpfs,target=/mnt touch /mnt/x
CMD cat /made
";

fn build(podman: &Podman<'_>, home: &str) -> Outcome {
    let context = format!("{home}/context");
    fs::create_dir(podman.island.path(&context))?;
    let file = podman.island.path(&format!("{context}/Dockerfile"));
    fs::write(file, DOCKERFILE)?;
    let line = [
        "buildah",
        "bud",
        "--isolation=oci",
        "--network=none",
        "-t",
        "made",
    ];
    podman
        .call(&[line.as_slice(), &[&context]].concat())?
        .ok()?;
    let out = podman.start(&["--rm", "made"])?.ok()?;
    same("built", out.as_str(), "0")
}

fn builds(case: &Case) -> Outcome {
    needs(&["buildah"])?;
    Podman::with(case, |podman| {
        build(podman, "/var/lib")?;
        let default = podman.call(&["buildah", "info", "--format", "{{.host.OCIRuntime}}"])?;
        same("default", default.ok()?.as_str(), "lodge")?;
        let container = podman.call(&["buildah", "from", "made"])?.ok()?;
        let line = ["buildah", "--runtime", "/usr/local/bin/lodge", "run"];
        let run = |words: &[&str]| {
            let options = ["--isolation=oci", "--network=none"];
            podman.call(&[line.as_slice(), &options, words].concat())
        };
        let script = "echo more >/more; id -u; exit 7";
        let said = run(&["--user=0", &container, "sh", "-c", script])?;
        same("output", said.ended(7)?.as_str(), "0")?;
        let missing = run(&[&container, "nosuch"])?;
        has(&missing.err, "executable file not found in $PATH")?;
        podman
            .call(&["buildah", "commit", "-q", &container, "more"])?
            .ok()?;
        podman.call(&["buildah", "rm", &container])?.ok()?;
        let out = podman.start(&["--rm", "more", "cat", "/more"])?.ok()?;
        same("committed", out.as_str(), "more")
    })
}

fn a_user_builds(case: &Case) -> Outcome {
    needs(&["buildah"])?;
    Podman::as_user(case, |podman| build(podman, "/var/lib/someone"))
}
