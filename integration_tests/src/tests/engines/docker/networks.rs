//! The engine's bridges.

use crate::harness::{Case, Docker, Outcome, eventually, has, holds, needs, same};
use crate::tests::list;

list!["engines::docker":
    networks,
];

fn networks(case: &Case) -> Outcome {
    needs(&["iptables"])?;
    Docker::with_options(case, &["--userland-proxy=true"], |docker| {
        let serve = "run -d --name=first -p 8080:80 busybox busybox httpd -f -p 80 -h /etc";
        docker.ok(&serve.replace("--name", "--hostname=served --name"))?;
        // Bash's own socket: the host's busybox may not resolve a name.
        let ask = |address: &str, port: u16| {
            let line = format!(
                "exec 3<>/dev/tcp/{address}/{port}; \
                 printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"
            );
            Ok::<String, crate::harness::Fault>(docker.island.sh(&line)?.out)
        };
        eventually("the published port answers", || {
            Ok(ask("127.0.0.1", 8080)?.trim() == "served")
        })?;
        let address = docker.field("first", ".NetworkSettings.IPAddress")?;
        same("address", ask(&address, 80)?.trim(), "served")?;
        let out = docker.run(
            &["--network=bridge"],
            &format!("busybox wget -qO- http://{address}/hostname"),
        )?;
        same("from a neighbour", out.as_str(), "served")?;

        // A network of one's own: names, and containers that come and go.
        docker.ok("network create mine")?;
        docker.ok("network connect --alias=server mine first")?;
        let inside = docker.run(
            &["--network=mine"],
            "busybox nslookup server; ls /sys/class/net",
        )?;
        has(&inside, "eth0")?;
        let script = "busybox wget -qO- http://server/hostname";
        same(
            "by name",
            docker.run(&["--network=mine"], script)?.as_str(),
            "served",
        )?;
        holds(
            "two interfaces",
            docker.exec("first", "ls /sys/class/net")?.contains("eth1"),
        )?;
        docker.ok("network disconnect mine first")?;
        let own = ["--network=container:first"];
        same("joined", docker.run(&own, "hostname")?.as_str(), "served")?;
        docker.ok("rm -f first")?;
        docker.ok("network rm mine").map(drop)
    })
}
