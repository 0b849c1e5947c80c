//! A disk with a bad sector. A library that is preloaded into a program fails the reads of it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::process;
use super::require;

/// The library.
pub struct BadSector {
    folder: tempfile::TempDir,
}

impl BadSector {
    /// `None` after a skip was reported.
    pub fn build() -> Option<Self> {
        if !require::runs_with("cc", "--version") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/bad_sector.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("sector.so")).arg(source);
        let mut compiler = compiler.stdin(Stdio::null()).spawn().expect("the compiler starts");
        assert!(process::wait_for_exit(&mut compiler, "the library to be compiled").success());
        Some(Self { folder })
    }

    /// The environment of a program that cannot read this byte of the file with this name, and those around it.
    pub fn environment(&self, name: &str, at: u64) -> [(&'static str, String); 3] {
        let library = self.folder.path().join("sector.so").to_str().expect("a path in UTF-8").to_owned();
        [("LD_PRELOAD", library), ("BAD_SECTOR_FILE", name.to_owned()), ("BAD_SECTOR_AT", at.to_string())]
    }
}
