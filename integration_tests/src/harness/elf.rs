//! A program that makes one system call and exits with its error number: what a
//! shell cannot say. It is written here byte by byte, so that a root file system
//! needs no compiler and no library.

/// How the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `syscall`, with the numbers of `x86_64` (or x32, with its bit set).
    Native,
    /// `int 0x80`, with the numbers of i386.
    I386,
}

const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// The program: `number(first, second)`, then exit with 0 or the error number.
pub(crate) fn one_call(entry: Entry, number: u32, first: u64, second: u64) -> Vec<u8> {
    let mut code = Vec::new();
    match entry {
        Entry::Native => {
            code.extend([0x48, 0xbf]); // mov rdi, first
            code.extend(first.to_le_bytes());
            code.extend([0x48, 0xbe]); // mov rsi, second
            code.extend(second.to_le_bytes());
            code.push(0xb8); // mov eax, number
            code.extend(number.to_le_bytes());
            code.extend([0x0f, 0x05]); // syscall
        }
        Entry::I386 => {
            code.extend([0x48, 0xbb]); // mov rbx, first
            code.extend(first.to_le_bytes());
            code.extend([0x48, 0xb9]); // mov rcx, second
            code.extend(second.to_le_bytes());
            code.push(0xb8); // mov eax, number
            code.extend(number.to_le_bytes());
            code.extend([0xcd, 0x80]); // int 0x80
        }
    }
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x85, 0xc0]); // test eax, eax
    code.extend([0x79, 0x04]); // jns over the next two
    code.extend([0xf7, 0xd8]); // neg eax
    code.extend([0x89, 0xc7]); // mov edi, eax
    code.push(0xb8); // mov eax, 60: exit
    code.extend(60_u32.to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    let mut file = header();
    file.extend(segment(
        HEADERS + u64::try_from(code.len()).unwrap_or(u64::MAX),
    ));
    file.extend(code);
    file
}

/// elf(5): a 64-bit executable for `x86_64` with one program header.
fn header() -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(2_u16.to_le_bytes()); // executable
    bytes.extend(62_u16.to_le_bytes()); // x86_64
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((BASE + HEADERS).to_le_bytes()); // entry point
    bytes.extend(64_u64.to_le_bytes()); // program headers
    bytes.extend(0_u64.to_le_bytes()); // no section headers
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes
}

/// The whole file, readable and executable.
fn segment(size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(1_u32.to_le_bytes()); // load
    bytes.extend(5_u32.to_le_bytes()); // r-x
    for word in [0, BASE, BASE, size, size, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}
