//! Tells a static executable from one that needs a loader.
//!
//! A container image of a single program works only with a static one, and
//! Debian has both kinds of busybox under the same path. The program headers
//! say which it is: an executable with shared libraries has `PT_INTERP`.
//! The layout is that of the ELF-64 object file format, little-endian.

use std::fs;
use std::path::Path;

const MAGIC_64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
const PT_INTERP: u32 = 3;

/// Whether the file is a 64-bit little-endian ELF executable without a loader.
pub(crate) fn is_static(path: &Path) -> bool {
    fs::read(path).is_ok_and(|file| has_interpreter(&file) == Some(false))
}

/// Whether one of the program headers names an interpreter; `None` where the
/// file is not of that format or is cut off.
fn has_interpreter(file: &[u8]) -> Option<bool> {
    if !file.starts_with(MAGIC_64_LITTLE_ENDIAN) {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(bytes(file, 32)?)).ok()?;
    let entry_size = usize::from(u16::from_le_bytes(bytes(file, 54)?));
    let entries = usize::from(u16::from_le_bytes(bytes(file, 56)?));
    for index in 0..entries {
        let kind = u32::from_le_bytes(bytes(file, table.checked_add(index * entry_size)?)?);
        if kind == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one program header of the given kind.
    fn executable(kind: u32) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(MAGIC_64_LITTLE_ENDIAN);
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file.extend(kind.to_le_bytes());
        file.extend([0; 52]);
        file
    }

    #[test]
    fn the_interpreter_header_tells() {
        assert_eq!(has_interpreter(&executable(PT_INTERP)), Some(true));
        assert_eq!(has_interpreter(&executable(1)), Some(false));
    }

    #[test]
    fn anything_else_is_not_judged() {
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
        assert_eq!(has_interpreter(&executable(1)[..64]), None);
        let mut far = executable(1);
        far[32..40].fill(0xff);
        assert_eq!(has_interpreter(&far), None);
    }

    #[test]
    fn this_test_itself_is_judged_without_error() {
        let file = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(has_interpreter(&file).is_some());
    }
}
