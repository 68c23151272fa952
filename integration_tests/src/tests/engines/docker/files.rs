//! Volumes, temporary file systems, read-only roots and devices.

use crate::harness::{Case, Docker, Outcome, has, lacks, same};
use crate::tests::list;

list!["engines::docker":
    files,
];

fn files(case: &Case) -> Outcome {
    let volume = case.bundle.beside("volume")?;
    std::fs::write(volume.join("mark"), "mark\n")?;
    let volume = volume.to_string_lossy().into_owned();
    Docker::with(case, |docker| {
        let script = "cat /data/mark; touch /data/x 2>&1; true";
        let out = docker.run(&["-v", &format!("{volume}:/data:ro")], script)?;
        has(&out, "mark")?;
        has(&out, "Read-only file system")?;
        let mount = format!("type=bind,source={volume},target=/data,bind-propagation=rslave");
        let out = docker.run(&["--mount", &mount], "echo more >/data/more; ls /data")?;
        has(&out, "more")?;
        let mount = format!("type=bind,source={volume}/mark,target=/etc/passwd,readonly");
        let out = docker.run(&["--mount", &mount], "cat /etc/passwd")?;
        same("a file", out.as_str(), "mark")?;

        // A named volume gets what the image has there, and keeps what is written.
        docker.ok("volume create kept")?;
        docker.run(
            &["-v", "kept:/home"],
            "ls -d /home/bob && echo 1 >/home/one",
        )?;
        docker.ok("run -d --network=none --name=first -v kept:/home busybox sleep 600")?;
        let from = ["--volumes-from=first"];
        same("kept", docker.run(&from, "cat /home/one")?.as_str(), "1")?;
        docker.ok("rm -f first")?;
        docker.ok("volume rm kept")?;

        let out = docker.run(
            &["--read-only", "--tmpfs", "/scratch:size=1m,mode=1770,uid=7"],
            "touch /x 2>&1; touch /scratch/x && echo scratch; \
             stat -c '%a %u' /scratch; dd if=/dev/zero of=/scratch/y bs=64k count=99 2>&1; true",
        )?;
        has(&out, "Read-only file system")?;
        has(&out, "scratch")?;
        has(&out, "1770 7")?;
        has(&out, "No space left")?;

        // Nobody answers at this number, which only those learn who may open it.
        docker.island.sh("mknod /run/device c 10 255")?.ok()?;
        let script = "(cat /dev/mine; echo x >/dev/mine) 2>&1; true";
        let out = docker.run(&["--device=/run/device:/dev/mine:r"], script)?;
        has(&out, "No such device")?;
        has(&out, "Operation not permitted")?;
        let out = docker.run(&["--device=/run/device:/dev/mine"], script)?;
        lacks(&out, "Operation not permitted")?;
        // What is not asked for is not there, and cannot be made.
        let script = "mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg 2>&1; ls /dev";
        let out = docker.run(&["--cap-add=MKNOD"], script)?;
        has(&out, "Operation not permitted")?;
        lacks(&out, "kmsg\n")?;
        let rule = ["--cap-add=MKNOD", "--device-cgroup-rule=c 1:* rmw"];
        docker.run(&rule, "mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero")?;
        let size = "df -k /dev/shm | tail -1 | awk '{print $2}'";
        same(
            "shm",
            docker.run(&["--shm-size=1m"], size)?.as_str(),
            "1024",
        )
    })
}
