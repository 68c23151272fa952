//! From argv to typed words: the table of commands and options, its lenient
//! reading, its parser and its help.

mod globals;
mod help;
mod lenient;
mod parser;
mod table;
mod words;

pub(crate) use help::{command_help, program_help};
pub(crate) use lenient::{Intent, Misuse, boolean, read};
pub(crate) use parser::parse;
pub(crate) use table::{Arity, Command, Grammar, Opt, Value};
pub(crate) use words::Words;
