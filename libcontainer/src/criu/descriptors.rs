//! `descriptors.json` beside the images: where the init's standard streams led to
//! when it was dumped. Pipes among them are the caller's, and a restored init gets
//! those of whoever restores it. Other runtimes write and read the same file.

use std::os::fd::RawFd;
use std::path::Path;

use super::messages::InheritFd;
use crate::error::{Error, ErrorKind, StepError};
use crate::sys::Errno;

const NAME: &str = "descriptors.json";

/// Writes down the standard streams of a process.
pub(crate) fn write(images: &Path, pid: i32) -> Result<(), Error> {
    let streams: Vec<String> = (0..3).map(|number| stream(pid, number)).collect();
    let path = images.join(NAME);
    let bytes = serde_json::to_vec(&streams).unwrap_or_default();
    std::fs::write(&path, bytes).map_err(|error| failed("write", &path, &error))
}

/// What a descriptor leads to; nothing when it is closed.
fn stream(pid: i32, number: RawFd) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// The pipes of the images that are replaced by our standard streams.
pub(crate) fn read(images: &Path) -> Result<Vec<InheritFd>, Error> {
    let path = images.join(NAME);
    let bytes = std::fs::read(&path).map_err(|error| failed("read", &path, &error))?;
    let streams: Vec<String> = serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    Ok(inherited(streams))
}

fn inherited(streams: Vec<String>) -> Vec<InheritFd> {
    let numbered = (0..).zip(streams);
    let pipes = numbered.filter(|(_, stream)| stream.starts_with("pipe:"));
    pipes.map(|(fd, key)| InheritFd { key, fd }).collect()
}

fn failed(action: &'static str, path: &Path, error: &std::io::Error) -> Error {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
    StepError::new(action, path.display().to_string(), errno).into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{InheritFd, NAME, inherited, read, write};

    #[test]
    fn pipes_alone_are_inherited() {
        let streams = ["/dev/null", "pipe:[7]", "socket:[8]"].map(str::to_owned);
        assert_eq!(
            inherited(streams.to_vec()),
            [InheritFd {
                key: "pipe:[7]".to_owned(),
                fd: 1
            }]
        );
    }

    #[test]
    fn the_file_is_a_list_of_three() {
        let top = tempfile::tempdir().unwrap();
        write(top.path(), i32::try_from(std::process::id()).unwrap()).unwrap();
        let text = std::fs::read(top.path().join(NAME)).unwrap();
        let list: Vec<String> = serde_json::from_slice(&text).unwrap();
        let own = |number| std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(std::path::Path::new(list.first().unwrap()), own(0));
        assert!(read(top.path()).is_ok());
        std::fs::write(top.path().join(NAME), "{}").unwrap();
        assert!(read(top.path()).unwrap_err().to_string().contains(NAME));
    }
}
