//! File names from a server, made safe on this side too: whatever a deliverable is called, it is written below
//! the folder that was chosen and nowhere else.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The longest part of a path; most file systems end at 255 bytes.
const MAX_PART_BYTES: usize = 120;
/// The deepest path.
const MAX_PARTS: usize = 16;

/// A relative path of plain parts. Never empty, never absolute, never upwards, no device, no hidden file.
pub fn safe_path(name: &str) -> PathBuf {
    let parts: Vec<String> = name.split(['/', '\\']).filter_map(safe_part).take(MAX_PARTS).collect();
    if parts.is_empty() { PathBuf::from("file") } else { parts.iter().collect() }
}

fn safe_part(part: &str) -> Option<String> {
    let mut safe = String::new();
    for character in part.trim().chars() {
        let keep = !character.is_control() && !"<>:\"|?*".contains(character) && !is_invisible(character);
        let next = if keep { character } else { '_' };
        if safe.len() + next.len_utf8() > MAX_PART_BYTES {
            break;
        }
        safe.push(next);
    }
    let safe = safe.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']).to_owned();
    if safe.is_empty() {
        return None;
    }
    Some(if is_device(&safe) { format!("_{safe}") } else { safe })
}

/// Characters that make a name look like another one.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Names that Windows gives to devices, with any ending.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.ends_with(|c: char| c.is_ascii_digit()))
}

/// A few letters that no other run has: a hash with a seed that the system drew.
pub fn unique() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}

/// Gives every file a path of its own: a second `report.md` becomes `report-2.md`.
#[derive(Debug, Default)]
pub struct Taken(HashSet<String>);

impl Taken {
    pub fn claim(&mut self, path: PathBuf) -> PathBuf {
        let mut candidate = path.clone();
        let mut n = 2_u64;
        // Some file systems do not tell cases apart.
        while !self.0.insert(candidate.to_string_lossy().to_lowercase()) {
            candidate = numbered(&path, n);
            n += 1;
        }
        candidate
    }
}

fn numbered(path: &Path, n: u64) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{n}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let long = "x".repeat(5_000);
        let deep = "a/".repeat(500);
        for name in [
            "../../etc/passwd",
            "/etc/passwd",
            "..\\..\\x",
            "C:\\Windows\\x",
            "~/.ssh/id",
            "",
            ".",
            "..",
            "...",
            "a/../../b",
            "./.bashrc",
            "con",
            "NUL.txt",
            "a\0b",
            "x\u{202e}cod.exe",
            "  ",
            "\\\\server\\share",
            &long,
            &deep,
            "COM1",
            "é/日本.txt",
        ] {
            let safe = safe_path(name);
            assert!(safe.is_relative() && safe.components().count() > 0, "{name:?} → {safe:?}");
            for part in safe.components() {
                let std::path::Component::Normal(part) = part else { panic!("{name:?} → {safe:?}") };
                let part = part.to_str().unwrap();
                assert!(!part.starts_with('.') && part.len() <= MAX_PART_BYTES, "{name:?} → {safe:?}");
                assert!(!part.contains([':', '\\', '\0', '\u{202e}']), "{name:?} → {safe:?}");
            }
        }
        assert_eq!(safe_path("site/index.html"), Path::new("site/index.html"));
        assert_eq!(safe_path("NUL.txt"), Path::new("_NUL.txt"));
        assert_eq!(safe_path(".."), Path::new("file"));
    }

    #[test]
    fn two_files_of_one_name_are_two_files() {
        let mut taken = Taken::default();
        let names: Vec<PathBuf> =
            ["a/r.md", "a/R.md", "a/r.md", "b"].iter().map(|name| taken.claim(safe_path(name))).collect();
        assert_eq!(names, ["a/r.md", "a/R-2.md", "a/r-3.md", "b"].map(PathBuf::from));
    }
}
