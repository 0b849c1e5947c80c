//! Libraries of these tests that are preloaded into a program, compiled from C.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process;
use super::require;

/// A compiled library, in a folder of its own.
pub struct PreloadedLibrary {
    folder: tempfile::TempDir,
}

impl PreloadedLibrary {
    /// Compiles a file of `tests/it/support`. `None` after a skip was reported.
    pub fn build(source: &str) -> Option<Self> {
        if !require::runs_with("cc", "--version") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support").join(source);
        let library = Self { folder };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o", &library.path()]).arg(source);
        let mut compiler = compiler.stdin(Stdio::null()).spawn().expect("the compiler starts");
        assert!(process::wait_for_exit(&mut compiler, "the library to be compiled").success());
        Some(library)
    }

    /// The value of `LD_PRELOAD`.
    pub fn path(&self) -> String {
        self.folder().join("preloaded.so").to_str().expect("a path in UTF-8").to_owned()
    }

    /// The folder with the library, which is removed with this.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
