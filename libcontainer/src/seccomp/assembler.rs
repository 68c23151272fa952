//! A classic BPF assembler that writes from the last instruction to the first.
//!
//! All jumps of BPF go forward, so a target is always there before the jump to
//! it, and its distance is known. Conditional jumps reach 255 instructions; a
//! target out of reach gets a copy (RET) or a way station (JA) in front.

use super::filter::Instruction;

/// Where a jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// The program returns this.
    Return(u32),
    /// An instruction: its place, counted from the end.
    At(usize),
}

/// A conditional jump, by what it asks of the accumulator.
#[derive(Debug, Clone, Copy)]
pub(super) enum Jump {
    /// It equals the constant.
    Equal,
    /// It is at least the constant, unsigned.
    AtLeast,
    /// It is above the constant, unsigned.
    Above,
    /// It shares a bit with the constant.
    AnyBit,
}

// Classes, modes and operations of <linux/bpf_common.h>.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA

impl Jump {
    fn code(self) -> u16 {
        match self {
            Self::Equal => 0x15,   // BPF_JMP | BPF_JEQ | BPF_K
            Self::AtLeast => 0x35, // BPF_JMP | BPF_JGE | BPF_K
            Self::Above => 0x25,   // BPF_JMP | BPF_JGT | BPF_K
            Self::AnyBit => 0x45,  // BPF_JMP | BPF_JSET | BPF_K
        }
    }
}

/// The program so far, its last instruction first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<Instruction>,
    /// The copy of each RET that was written last: its value and place.
    returns: Vec<(u32, usize)>,
    /// The way station to each far place that was written last.
    stations: Vec<(usize, usize)>,
}

/// A jump to a place at most so far from the end of the code reaches it, also
/// after its other branch has written one instruction more.
const REACH: usize = 254;

impl Assembler {
    pub(super) fn new() -> Self {
        Self {
            code: Vec::with_capacity(1024),
            ..Self::default()
        }
    }

    /// Loads a word of `struct seccomp_data`; goes before what was written last.
    pub(super) fn load(&mut self, offset: u32) -> Goal {
        self.push(LOAD, 0, 0, offset)
    }

    /// Masks the accumulator; goes before what was written last.
    pub(super) fn and(&mut self, mask: u32) -> Goal {
        self.push(AND, 0, 0, mask)
    }

    /// A conditional jump.
    pub(super) fn jump(&mut self, jump: Jump, constant: u32, yes: Goal, no: Goal) -> Goal {
        let (yes, no) = (self.near(yes), self.near(no));
        let skip = |place: usize| {
            let distance = u8::try_from(self.code.len() - 1 - place);
            debug_assert!(distance.is_ok(), "near() keeps targets in reach");
            distance.unwrap_or(u8::MAX)
        };
        let (yes, no) = (skip(yes), skip(no));
        self.push(jump.code(), yes, no, constant)
    }

    /// The program, its first instruction first, which goes to `start`.
    pub(super) fn finish(mut self, start: Goal) -> Vec<Instruction> {
        let place = self.near(start);
        if place + 1 != self.code.len() {
            self.station(place);
        }
        self.code.reverse();
        self.code
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Goal {
        self.code.push(Instruction { code, jt, jf, k });
        Goal::At(self.code.len() - 1)
    }

    /// A place in reach that does what the goal wants.
    fn near(&mut self, goal: Goal) -> usize {
        match goal {
            Goal::Return(value) => {
                let known = self.returns.iter().position(|(of, _)| *of == value);
                if let Some(&(_, place)) = known.and_then(|at| self.returns.get(at))
                    && self.reaches(place)
                {
                    return place;
                }
                self.push(RETURN, 0, 0, value);
                let place = self.code.len() - 1;
                match known.and_then(|at| self.returns.get_mut(at)) {
                    Some(entry) => entry.1 = place,
                    None => self.returns.push((value, place)),
                }
                place
            }
            Goal::At(place) if self.reaches(place) => place,
            Goal::At(place) => {
                let known = self.stations.iter().rev().find(|(to, _)| *to == place);
                match known {
                    Some(&(_, station)) if self.reaches(station) => station,
                    _ => self.station(place),
                }
            }
        }
    }

    fn station(&mut self, place: usize) -> usize {
        let distance = u32::try_from(self.code.len() - 1 - place).unwrap_or(u32::MAX);
        self.push(JUMP, 0, 0, distance);
        let station = self.code.len() - 1;
        self.stations.push((place, station));
        station
    }

    fn reaches(&self, place: usize) -> bool {
        self.code.len() - place <= REACH
    }
}
