//! A program that somebody else has compiled, in base64 (`run.oci.seccomp_bpf_data`).
//!
//! It is judged as the kernel does (`bpf_check_classic`, `seccomp_check_filter`),
//! so that a faulty one is told of before anything is made.

use std::path::PathBuf;

use super::filter::{Filter, Instruction, Listener, MAX_INSTRUCTIONS};
use super::known::{DEFAULT_FLAGS, FLAG_NEW_LISTENER, FLAG_WAIT_KILLABLE_RECV};
use super::profile::flags;
use crate::spec::oci::LinuxSeccomp;

/// The size of an instruction.
const SIZE: usize = size_of::<Instruction>();
/// `sizeof(struct seccomp_data)`: what a program may load from.
const DATA_SIZE: u32 = 64;
/// `BPF_MEMWORDS`.
const SCRATCH: u32 = 16;

// Codes of <linux/bpf_common.h>, whole.
const LOAD_DATA: u16 = 0x20;
const LOAD_SCRATCH: [u16; 4] = [0x60, 0x61, 0x02, 0x03];
const JUMP: u16 = 0x05;
const RETURN_VALUE: u16 = 0x06;
const RETURN_ACCUMULATOR: u16 = 0x16;
/// Comparisons with a constant and with the index register.
const COMPARISONS: [u16; 8] = [0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d];
const DIVIDE_BY_VALUE: u16 = 0x34;
const SHIFTS: [u16; 2] = [0x64, 0x74];
/// All others that seccomp takes: immediate values, the length, arithmetic, and
/// moves between the registers.
const OTHERS: [u16; 20] = [
    0x00, 0x01, 0x80, 0x81, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x3c, 0x54, 0x5c, 0x44, 0x4c, 0xa4,
    0xac, 0x6c, 0x7c, 0x84,
];
const MOVES: [u16; 2] = [0x07, 0x87];

/// The filter, with flags and metadata of the configuration's own where it has
/// any. The listener is made only for a program that may notify.
pub(crate) fn raw(
    text: &str,
    profile: Option<&LinuxSeccomp>,
    listener: Option<PathBuf>,
) -> Result<Filter, String> {
    let program = instructions(&decode(text)?)?;
    for (place, instruction) in program.iter().enumerate() {
        check(*instruction, place, program.len())
            .map_err(|reason| format!("instruction {place}: {reason}"))?;
    }
    let returns = [RETURN_VALUE, RETURN_ACCUMULATOR];
    if !program
        .last()
        .is_some_and(|last| returns.contains(&last.code))
    {
        return Err("the last instruction does not return".to_owned());
    }
    let notifies = program.iter().any(|instruction| {
        instruction.code == RETURN_VALUE
            && instruction.k & libc::SECCOMP_RET_ACTION_FULL == libc::SECCOMP_RET_USER_NOTIF
    });
    if notifies && listener.is_none() {
        return Err("it notifies, and there is no listener to tell".to_owned());
    }
    let computes = program.iter().any(|it| it.code == RETURN_ACCUMULATOR);
    let listener = listener
        .filter(|_| notifies || computes)
        .map(|path| Listener {
            path,
            metadata: profile.and_then(|profile| profile.listener_metadata().clone()),
        });
    let mut flags = profile.map_or(DEFAULT_FLAGS, flags);
    if listener.is_some() {
        flags |= FLAG_NEW_LISTENER;
    } else {
        flags &= !FLAG_WAIT_KILLABLE_RECV;
    }
    Ok(Filter {
        program,
        flags,
        listener,
    })
}

fn instructions(bytes: &[u8]) -> Result<Vec<Instruction>, String> {
    let (whole, rest) = bytes.as_chunks::<SIZE>();
    if whole.is_empty() || !rest.is_empty() {
        return Err(format!(
            "{} bytes are not a number of instructions of {SIZE} bytes",
            bytes.len()
        ));
    }
    if whole.len() > MAX_INSTRUCTIONS {
        return Err(format!(
            "{} instructions are more than the kernel's {MAX_INSTRUCTIONS}",
            whole.len()
        ));
    }
    let one = |[a, b, jt, jf, k @ ..]: &[u8; SIZE]| Instruction {
        code: u16::from_ne_bytes([*a, *b]),
        jt: *jt,
        jf: *jf,
        k: u32::from_ne_bytes(*k),
    };
    Ok(whole.iter().map(one).collect())
}

/// One instruction of a program of so many.
fn check(instruction: Instruction, place: usize, length: usize) -> Result<(), String> {
    let Instruction { code, jt, jf, k } = instruction;
    let lands = |skipped: u32| {
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        place.saturating_add(1).saturating_add(skipped) < length
    };
    let good = match code {
        LOAD_DATA => k < DATA_SIZE && k.is_multiple_of(4),
        JUMP => lands(k),
        DIVIDE_BY_VALUE => k != 0,
        code if LOAD_SCRATCH.contains(&code) => k < SCRATCH,
        code if COMPARISONS.contains(&code) => lands(jt.into()) && lands(jf.into()),
        code if SHIFTS.contains(&code) => k < 32,
        RETURN_VALUE | RETURN_ACCUMULATOR => true,
        code => {
            if OTHERS.contains(&code) || MOVES.contains(&code) {
                return Ok(());
            }
            return Err(format!("code {code:#x} is not one of seccomp's"));
        }
    };
    if good {
        return Ok(());
    }
    Err(format!("code {code:#x} with {k:#x} leads nowhere"))
}

/// Base64 with its padding (RFC 4648, section 4).
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || "it is not base64".to_owned();
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for (at, group) in groups.iter().enumerate() {
        let last = at.saturating_add(1) == groups.len();
        let padding = match group {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            _ => 0,
        };
        if padding > 0 && !last {
            return Err(wrong());
        }
        let mut bits = 0_u32;
        for letter in group.iter().take(4 - padding) {
            bits = (bits << 6) | sextet(*letter).ok_or_else(wrong)?;
        }
        let [_, three @ ..] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend(three.iter().take(3 - padding));
    }
    Ok(bytes)
}

fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter.checked_sub(b'A'),
        b'a'..=b'z' => letter.checked_sub(b'a').and_then(|it| it.checked_add(26)),
        b'0'..=b'9' => letter.checked_sub(b'0').and_then(|it| it.checked_add(52)),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    value.map(u32::from)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{decode, raw};
    use crate::seccomp::Instruction;

    /// In base64.
    fn text(program: &[(u16, u8, u8, u32)]) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        for (code, jt, jf, k) in program {
            bytes.extend(code.to_ne_bytes());
            bytes.extend([*jt, *jf]);
            bytes.extend(k.to_ne_bytes());
        }
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let mut three = [0; 3];
            three
                .iter_mut()
                .zip(group)
                .for_each(|(to, from)| *to = *from);
            let [a, b, c] = three.map(u32::from);
            let bits = a << 16 | b << 8 | c;
            for place in 0..4 {
                let letter = LETTERS.get(usize::try_from(bits >> (18 - 6 * place) & 63).unwrap());
                let there = place <= group.len();
                text.push(if there {
                    char::from(*letter.unwrap())
                } else {
                    '='
                });
            }
        }
        text
    }

    const ALLOW: (u16, u8, u8, u32) = (0x06, 0, 0, libc::SECCOMP_RET_ALLOW);

    #[test]
    fn a_program_is_taken_as_it_is() {
        let program = [
            (0x20, 0, 0, 0),
            (0x15, 0, 1, 39),
            (0x06, 0, 0, 0x0005_0001),
            ALLOW,
        ];
        let filter = raw(&text(&program), None, None).unwrap();
        let expected = program.map(|(code, jt, jf, k)| Instruction { code, jt, jf, k });
        assert_eq!(filter.program, expected);
        assert_eq!(filter.listener, None);
    }

    #[test]
    fn a_listener_is_made_for_what_notifies() {
        let notify = (0x06, 0, 0, libc::SECCOMP_RET_USER_NOTIF);
        let computed = (0x16, 0, 0, 0);
        let agent = || Some("/agent".into());
        assert!(
            raw(&text(&[notify]), None, None)
                .unwrap_err()
                .contains("no listener")
        );
        for (program, made) in [([notify], true), ([computed], true), ([ALLOW], false)] {
            let filter = raw(&text(&program), None, agent()).unwrap();
            assert_eq!(filter.listener.is_some(), made, "{program:?}");
            assert_eq!(filter.flags & 8 != 0, made, "{program:?}");
        }
    }

    #[test]
    fn faults_are_told() {
        let long = vec![ALLOW; 4097];
        for (program, words) in [
            (&[][..], "0 bytes"),
            (&long, "4097 instructions"),
            (&[(0x20, 0, 0, 0)], "does not return"),
            (
                &[(0x20, 0, 0, 64), ALLOW],
                "instruction 0: code 0x20 with 0x40",
            ),
            (&[(0x20, 0, 0, 2), ALLOW], "instruction 0"),
            (&[ALLOW, (0x15, 0, 1, 1), ALLOW], "instruction 1"),
            (&[(0x05, 0, 0, u32::MAX), ALLOW], "instruction 0"),
            (&[(0x34, 0, 0, 0), ALLOW], "instruction 0"),
            (&[(0x02, 0, 0, 16), ALLOW], "instruction 0"),
            (
                &[(0x28, 0, 0, 0), ALLOW],
                "code 0x28 is not one of seccomp's",
            ),
        ] {
            let reason = raw(&text(program), None, None).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
        for text in ["AAAA", "AAA", "AA=AAAAA", "AAAAAAAAAA!=", "=AAA"] {
            assert!(raw(text, None, None).is_err(), "{text}");
        }
    }

    #[test]
    fn base64_is_read_with_its_padding() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYmFy", b"foobar"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(decode(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn the_kernel_agrees_on_every_code() {
        for code in 0..=0xff_u16 {
            // Whatever returns, allows: the thread has to live on.
            let k = match code {
                0x06 => libc::SECCOMP_RET_ALLOW,
                0x34 => 1,
                _ => 0,
            };
            let load = (0x00, 0, 0, libc::SECCOMP_RET_ALLOW);
            let program = [load, (0x02, 0, 0, 0), (code, 0, 0, k), ALLOW];
            let ours = raw(&text(&program), None, None).is_ok();
            let program = program.map(|(code, jt, jf, k)| Instruction { code, jt, jf, k });
            let Some(kernels) = attached(&program) else {
                return;
            };
            assert_eq!(ours, kernels, "{code:#x}");
        }
    }

    /// Whether the kernel takes the program, on a thread that ends then; none
    /// where it may not be asked.
    fn attached(program: &[Instruction]) -> Option<bool> {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    crate::sys::creds::set_no_new_privs().ok()?;
                    match crate::sys::seccomp::install(program, 0) {
                        Ok(_) => Some(true),
                        Err(crate::sys::Errno::EINVAL) => Some(false),
                        Err(_) => None,
                    }
                })
                .join()
                .unwrap()
        })
    }
}
