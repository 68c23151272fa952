//! A process beside the runtime that exchanges names without a pause.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::harness::{Outcome, holds};

/// Exchanges pairs of names until it is told to stop.
pub(super) struct Storm {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    turns: Arc<AtomicU64>,
}

impl Storm {
    pub(super) fn over(pairs: &[(PathBuf, PathBuf)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let turns = Arc::new(AtomicU64::new(0));
        let threads = pairs
            .iter()
            .map(|(one, other)| {
                let (one, other) = (one.clone(), other.clone());
                let (stop, turns) = (Arc::clone(&stop), Arc::clone(&turns));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if exchange(&one, &other) {
                            turns.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        Self {
            stop,
            threads,
            turns,
        }
    }

    /// It must have blown.
    pub(super) fn end(self) -> Outcome {
        let turns = self.turns.load(Ordering::Relaxed);
        drop(self);
        holds(format!("{turns} exchanges are a storm"), turns > 100)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn exchange(one: &Path, other: &Path) -> bool {
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).is_ok()
}
