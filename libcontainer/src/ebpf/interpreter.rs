//! Runs programs in tests, so that these need no kernel.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "a test stops at a program that the kernel would refuse"
)]

use super::Program;
use super::insn;

/// Runs a program on a context of 32-bit words.
pub(crate) fn run(program: &Program, context: &[u32]) -> u64 {
    let mut registers: [Option<u64>; 11] = [None; 11];
    // R1 is the context; its value is not looked at but by loads.
    registers[1] = Some(0);
    let mut at = 0_usize;
    loop {
        let insn = program.0[at];
        at += 1;
        let destination = usize::from(insn.destination);
        let source = usize::from(insn.source);
        let value = |register: usize| match registers[register] {
            Some(value) => value,
            None => panic!("instruction {at} reads R{register} before it is set"),
        };
        let wide = i64::from(insn.immediate) as u64;
        let jump = |at: usize| at + usize::try_from(insn.offset).unwrap_or_else(|_| panic!("back"));
        match insn.code {
            insn::LOAD_WORD => {
                assert_eq!(source, 1, "loads are from the context");
                let word = usize::try_from(insn.offset).unwrap_or(usize::MAX) / 4;
                registers[destination] = Some(u64::from(context[word]));
            }
            insn::SET => registers[destination] = Some(wide),
            insn::COPY => registers[destination] = Some(value(source)),
            insn::AND => registers[destination] = Some(value(destination) & wide),
            insn::SHIFT_RIGHT => registers[destination] = Some(value(destination) >> wide),
            insn::JUMP_DIFFERS => {
                if value(destination) as u32 != insn.immediate as u32 {
                    at = jump(at);
                }
            }
            insn::JUMP_SHARES => {
                if value(destination) as u32 & insn.immediate as u32 != 0 {
                    at = jump(at);
                }
            }
            insn::JUMP => at = jump(at),
            insn::EXIT => return value(0),
            code => panic!("instruction {at}: code {code:#x}"),
        }
    }
}
