//! What to take back when a step fails.

use std::fmt;

/// Actions that are run in reverse order unless the whole succeeded. An action
/// is pushed before what it takes back is done, so that nothing falls between.
#[derive(Default)]
pub(super) struct Undo<'a> {
    actions: Vec<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Undo<'a> {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn push(&mut self, action: impl FnOnce() + 'a) {
        self.actions.push(Box::new(action));
    }

    /// The whole succeeded.
    pub(super) fn disarm(mut self) {
        self.actions.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some(action) = self.actions.pop() {
            action();
        }
    }
}

impl fmt::Debug for Undo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undo")
            .field("actions", &self.actions.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Undo;
    use std::cell::RefCell;

    #[test]
    fn the_last_is_taken_back_first() {
        let seen = RefCell::new(Vec::new());
        let mut undo = Undo::new();
        undo.push(|| seen.borrow_mut().push(1));
        undo.push(|| seen.borrow_mut().push(2));
        drop(undo);
        assert_eq!(*seen.borrow(), [2, 1]);
    }

    #[test]
    fn success_takes_nothing_back() {
        let seen = RefCell::new(0);
        let mut undo = Undo::new();
        undo.push(|| *seen.borrow_mut() += 1);
        undo.disarm();
        assert_eq!(*seen.borrow(), 0);
    }
}
