//! All commands.

use crate::args::Command;

/// All of them, in the order of the help.
pub(crate) static ALL: [&Command; 19] = [
    &super::check::CHECK,
    &super::checkpoint::CHECKPOINT,
    &super::create::CREATE,
    &super::delete::DELETE,
    &super::events::EVENTS,
    &super::exec::EXEC,
    &super::features::FEATURES,
    &super::kill::KILL,
    &super::list::LIST,
    &super::pause::PAUSE,
    &super::plan::PLAN,
    &super::ps::PS,
    &super::restore::RESTORE,
    &super::resume::RESUME,
    &super::run::RUN,
    &super::spec::SPEC,
    &super::start::START,
    &super::state::STATE,
    &super::update::UPDATE,
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
