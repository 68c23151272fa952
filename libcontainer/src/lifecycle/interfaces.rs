//! The counters of a container's network interfaces.

use serde::Serialize;

use crate::sys::small_file;

/// An interface, as the container sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInterface {
    /// Its name in the container.
    pub name: String,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Packets that came in.
    pub rx_packets: u64,
    /// Packets that came in broken.
    pub rx_errors: u64,
    /// Packets that came in and found no room.
    pub rx_dropped: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets that were not sent for want of room.
    pub tx_dropped: u64,
}

/// The interfaces of a process in a network namespace other than ours: those of
/// the host are not the container's.
pub(super) fn read(pid: i32) -> Vec<NetworkInterface> {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let theirs = namespace(&pid.to_string());
    if theirs.is_none() || theirs == namespace("self") {
        return Vec::new();
    }
    small_file::read_proc(&format!("/proc/{pid}/net/dev"))
        .map(|text| parse(&String::from_utf8_lossy(&text)))
        .unwrap_or_default()
}

/// `/proc/PID/net/dev` (proc_pid_net(5)): two lines of header, then a line for
/// each interface with eight columns for what came in and eight for what went out.
fn parse(text: &str) -> Vec<NetworkInterface> {
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (name, counters) = line.split_once(':')?;
            let name = name.trim();
            let counters: Vec<u64> = counters
                .split_ascii_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let at = |index: usize| counters.get(index).copied().unwrap_or_default();
            (name != "lo").then(|| NetworkInterface {
                name: name.to_owned(),
                rx_bytes: at(0),
                rx_packets: at(1),
                rx_errors: at(2),
                rx_dropped: at(3),
                tx_bytes: at(8),
                tx_packets: at(9),
                tx_errors: at(10),
                tx_dropped: at(11),
            })
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::parse;

    #[test]
    fn columns_have_their_names() {
        let text = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    0    0    0     0          0         0        9       9    0    0    0     0       0          0
  eth0:    1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0
";
        assert_eq!(
            serde_json::to_string(&parse(text)).unwrap(),
            r#"[{"Name":"eth0","RxBytes":1000,"RxPackets":10,"RxErrors":1,"RxDropped":2,"TxBytes":2000,"TxPackets":20,"TxErrors":3,"TxDropped":4}]"#
        );
    }
}
