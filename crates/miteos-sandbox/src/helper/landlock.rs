//! A second file system wall below the namespaces: even a mount that should not be there cannot be written.
//!
//! Best effort: kernels without Landlock run without this layer, and the self-test says so.

use std::io;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
    path_beneath_rules,
};

use crate::spec::{HOME_DIR, WORKSPACE_DIR};

/// The newest version whose restrictions were tried; older kernels enforce what they know of it.
const TRIED: ABI = ABI::V6;

/// Folders in which a program may change anything.
const WRITABLE: [&str; 5] = [WORKSPACE_DIR, HOME_DIR, "/tmp", "/dev/shm", "/dev/pts"];

/// Folders whose existing files may be written: the devices, and a process's own entries.
const WRITABLE_FILES: [&str; 2] = ["/dev", "/proc"];

pub(super) fn restrict() -> io::Result<()> {
    let read = AccessFs::from_read(TRIED);
    let build = || -> Result<(), landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?
            .add_rules(path_beneath_rules(["/"], read))?
            .add_rules(path_beneath_rules(WRITABLE_FILES, read | AccessFs::WriteFile | AccessFs::IoctlDev))?
            .add_rules(path_beneath_rules(WRITABLE, AccessFs::from_all(TRIED)))?
            .restrict_self()?;
        Ok(())
    };
    build().map_err(io::Error::other)
}
