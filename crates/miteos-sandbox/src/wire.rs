//! What server, outer helper and inner stage say to each other.
//!
//! An order is one frame: two lengths, JSON, the bytes for stdin. Reports are JSON, one a line. All of them come
//! from the same binary, so there is no version: a helper that does not understand its order says so and stops.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::Limits;
use crate::spec::MAX_STDIN_BYTES;
use crate::status::ProcVariant;

/// First arguments by which the binary knows that it is a helper.
pub(crate) const OUTER_ARGUMENT: &str = "__sandbox-outer";
pub(crate) const INNER_ARGUMENT: &str = "__sandbox-inner";
pub(crate) const SELF_TEST_ARGUMENT: &str = "__sandbox-selftest";

/// Where the helper's own binary is seen inside.
pub(crate) const INNER_BINARY: &str = "/run/sandbox-helper";

/// Largest order without stdin: far above the kernel's limit for arguments and environment.
pub(crate) const MAX_ORDER_BYTES: usize = 16 * 1024 * 1024;

/// Longest report line.
pub(crate) const MAX_REPORT_BYTES: usize = 64 * 1024;

/// A text that need not be UTF-8, as JSON: each byte is the character with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw(pub OsString);

impl Raw {
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.0)
    }
}

impl From<&std::path::Path> for Raw {
    fn from(path: &std::path::Path) -> Self {
        Self(path.as_os_str().to_owned())
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text
            .chars()
            .map(|character| u8::try_from(u32::from(character)))
            .collect::<Result<Vec<u8>, _>>()
            .map_err(|_| serde::de::Error::custom("a character above 255 in a byte text"))?;
        Ok(Self(OsString::from_vec(bytes)))
    }
}

/// How the outer helper isolates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Method {
    Namespaces { proc: ProcVariant },
    Bwrap { program: Raw, proc: ProcVariant, features: BwrapFeatures },
    None,
}

/// Options that only newer versions of bubblewrap know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BwrapFeatures {
    pub size: bool,
    pub disable_userns: bool,
    pub perms: bool,
}

/// What the inner stage does once the file system is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub program: Vec<Raw>,
    /// As seen from inside.
    pub cwd: Raw,
    pub env: Vec<(Raw, Raw)>,
    pub limits: Limits,
    pub mode: InnerMode,
}

/// How much the inner stage takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InnerMode {
    /// Everything; the temporary file systems limit their entries themselves.
    Isolated,
    /// Everything, and the entries of temporary file systems have to be watched.
    IsolatedWatchingFiles,
    /// The backend `none`: only limits that cannot hurt the rest of the user's processes.
    Bare,
}

/// One run, as the outer helper gets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub method: Method,
    pub plan: Plan,
    pub workspace: Raw,
    pub home_cache: Option<Raw>,
    /// What is shown read-only: where it is, and where it is seen.
    pub read_only: Vec<(Raw, Raw)>,
    /// Folders of the server's own that are covered where they would be seen.
    pub hidden_folders: Vec<Raw>,
    /// An empty folder of ours on which the new root is built (each time in a mount namespace of its own).
    pub root_point: Raw,
    /// The user to become first; set exactly when the server is root and isolates.
    pub become_user: Option<u32>,
    /// Whether the helper's own binary is visible inside: for bwrap always, else for the self-test.
    pub show_binary: bool,
    /// Whether the inner stage hands out a listening socket for the proxy.
    pub proxy: bool,
}

/// How the program ended, as far as the helper can know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Code(i32),
    Signal(i32),
    MemoryLimit,
    TemporaryFilesLimit,
    /// Killed because the server asked or went away.
    Killed,
    /// The program itself cannot be executed.
    Program {
        cause: String,
    },
    /// A step of the set-up failed.
    Setup {
        stage: String,
        detail: String,
        errno: Option<i32>,
    },
}

impl Report {
    pub fn setup(stage: &str, error: &io::Error) -> Self {
        Self::Setup { stage: stage.to_owned(), detail: error.to_string(), errno: error.raw_os_error() }
    }

    /// One line, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        // A report holds only text and numbers, which JSON can always express.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The beginning of the order's frame and its JSON; the bytes for stdin follow.
pub(crate) fn frame(order: &Order, stdin_bytes: usize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(order).map_err(io::Error::other)?;
    if json.len() > MAX_ORDER_BYTES || stdin_bytes > MAX_STDIN_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "arguments, environment or stdin are too large",
        ));
    }
    let mut frame = Vec::with_capacity(8 + json.len());
    frame.extend_from_slice(&(json.len() as u32).to_le_bytes());
    frame.extend_from_slice(&(stdin_bytes as u32).to_le_bytes());
    frame.extend_from_slice(&json);
    Ok(frame)
}

/// Reads what [`frame`] and the bytes after it made.
pub(crate) fn read_frame(source: &mut impl Read) -> io::Result<(Order, Vec<u8>)> {
    let mut lengths = [0_u8; 8];
    source.read_exact(&mut lengths)?;
    let [a, b, c, d, e, f, g, h] = lengths;
    let json_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
    let stdin_bytes = u32::from_le_bytes([e, f, g, h]) as usize;
    if json_bytes > MAX_ORDER_BYTES || stdin_bytes > MAX_STDIN_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the order is longer than any order can be"));
    }
    let mut json = vec![0; json_bytes];
    source.read_exact(&mut json)?;
    let mut stdin = vec![0; stdin_bytes];
    source.read_exact(&mut stdin)?;
    let order = serde_json::from_slice(&json).map_err(io::Error::other)?;
    Ok((order, stdin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_not_utf8_survive() {
        let raw = Raw(OsString::from_vec((0..=255).collect()));
        let json = serde_json::to_string(&raw).unwrap();
        assert_eq!(serde_json::from_str::<Raw>(&json).unwrap(), raw);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        let error = read_frame(&mut bytes.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
