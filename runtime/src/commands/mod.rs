//! The commands, one file each: its entry in the table, and what it does.

mod create;
mod delete;
mod exec;
mod features;
mod kill;
mod later;
mod list;
mod pause;
mod ps;
mod resume;
mod run;
mod spec;
mod start;
mod state;
mod user;

use crate::args::Command;

/// All of them, in the order of the help.
pub(crate) static ALL: [&Command; 17] = [
    &later::CHECKPOINT,
    &create::CREATE,
    &delete::DELETE,
    &later::EVENTS,
    &exec::EXEC,
    &features::FEATURES,
    &kill::KILL,
    &list::LIST,
    &pause::PAUSE,
    &ps::PS,
    &later::RESTORE,
    &resume::RESUME,
    &run::RUN,
    &spec::SPEC,
    &start::START,
    &state::STATE,
    &later::UPDATE,
];

/// The command of a word.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|command| command.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::args::{Arity, Grammar};

    #[test]
    fn names_and_options_are_unique_and_sorted() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        for command in ALL {
            for (n, option) in command.options.iter().enumerate() {
                let others = command.options.iter().skip(n + 1);
                for other in others {
                    assert_ne!(option.long, other.long, "{}", command.name);
                    assert!(
                        option.short.is_none() || option.short != other.short,
                        "{} -{:?}",
                        command.name,
                        option.short
                    );
                }
                assert_ne!(option.short, Some('h'), "{}", command.name);
            }
        }
    }

    #[test]
    fn what_takes_a_command_line_leaves_it_alone() {
        for command in ALL {
            let open_ended = matches!(command.arity, Arity::AtLeast(_));
            assert_eq!(
                open_ended,
                command.grammar != Grammar::Anywhere,
                "{}",
                command.name
            );
        }
    }

    #[test]
    fn a_failure_of_exec_is_told_from_its_process() {
        for command in ALL {
            let wanted = if command.name == "exec" { 255 } else { 1 };
            assert_eq!(command.failure, wanted, "{}", command.name);
        }
    }
}

/// What the tests of the commands share.
#[cfg(test)]
#[expect(clippy::panic, reason = "a test fails by panicking")]
mod testing {
    use crate::args::{Intent, Words, parse, read};
    use crate::session::Session;
    use libcontainer::container::StateRoot;
    use libcontainer::lifecycle::{CgroupManager, Rootless};

    /// The words of a command line that is right.
    pub(super) fn words(argv: &[&str]) -> Words {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let Intent::Run(_, ordered) = read("lodge", &argv) else {
            panic!("{argv:?}");
        };
        match parse(&ordered) {
            Ok((_, Some(words))) => words,
            other => panic!("{other:?}"),
        }
    }

    /// A session that is nobody's.
    pub(super) fn session() -> Session {
        Session {
            root: StateRoot::at("/nonexistent"),
            cgroup_manager: CgroupManager::Systemd,
            rootless: Rootless::True,
        }
    }
}
