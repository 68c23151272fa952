//! The commands, one file each: its entry in the table, and what it does.

mod check;
mod checkpoint;
mod create;
mod delete;
mod duration;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod matching;
mod pause;
mod plan;
mod ps;
mod restore;
mod resume;
mod run;
mod size;
mod spec;
mod start;
mod state;
mod table;
#[cfg(test)]
mod testing;
mod update;
mod user;

pub(crate) use table::{ALL, find};
