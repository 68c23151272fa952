//! An image's life: built, pushed, removed, pulled, run.

use std::fs;

use crate::harness::{Case, Docker, Outcome, eventually, has, holds, needs, same};
use crate::tests::list;

list!["engines::docker":
    images,
];

const DOCKERFILE: &str = "FROM scratch
ADD rootfs.tar /
ENV WHERE=here
WORKDIR /srv
RUN echo \"$WHERE as $(id -u)\" >made && test -c /dev/null && test -r /proc/self/status
USER 1000:1001
RUN test \"$(id -u):$(id -g)\" = 1000:1001
VOLUME /data
ENTRYPOINT [\"/bin/sh\", \"-c\"]
CMD [\"cat made; id -u; pwd\"]
";

const REGISTRY: &str = "version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: '127.0.0.1:5000'}
";

fn images(case: &Case) -> Outcome {
    needs(&["docker-registry"])?;
    Docker::with(case, |docker| {
        let island = docker.island;
        let context = island.dir.join("context");
        fs::create_dir(&context)?;
        fs::write(context.join("Dockerfile"), DOCKERFILE)?;
        let tar = format!("cp /run/image.tar {}/rootfs.tar", context.display());
        island.sh(&tar)?.ok()?;
        let line = format!(
            "DOCKER_BUILDKIT=0 docker build --network=none -t 127.0.0.1:5000/made {}",
            context.display()
        );
        has(&island.sh(&line)?.ok()?, "Successfully built")?;

        fs::write(island.path("/etc/registry.yml"), REGISTRY)?;
        let mut command = island.command("docker-registry");
        command.args(["serve", "/etc/registry.yml"]);
        let mut registry = island.daemon("registry", &mut command)?;
        let outcome = eventually("the registry listens", || {
            Ok(fs::read_to_string(island.dir.join("registry.log"))?.contains("listening on"))
        })
        .and_then(|()| through_the_registry(docker));
        registry.end(nix::sys::signal::Signal::SIGTERM)?;
        outcome
    })
}

fn through_the_registry(docker: &Docker<'_>) -> Outcome {
    let image = "127.0.0.1:5000/made";
    docker.ok(&format!("push -q {image}"))?;
    docker.ok(&format!("rmi {image}"))?;
    let gone = docker.ok("images -q 127.0.0.1:5000/made")?;
    holds("the image is gone", gone.is_empty())?;
    docker.ok(&format!("pull -q {image}"))?;
    same(
        "the image's own command",
        docker
            .ok(&format!("run --rm --network=none {image}"))?
            .as_str(),
        "here as 0\n1000\n/srv",
    )?;
    // A container's changes become an image, too.
    docker
        .docker(&[
            "run",
            "--name=changed",
            "--network=none",
            "-u=0",
            image,
            "echo more >/srv/more",
        ])?
        .ok()?;
    has(&docker.ok("diff changed")?, "A /srv/more")?;
    docker.ok("commit changed committed")?;
    docker.ok("rm -v changed")?;
    let line = ["run", "--rm", "--network=none", "committed", "cat more"];
    same("committed", docker.docker(&line)?.ok()?.as_str(), "more")
}
