//! A machine's clock that a test sets while the service runs. A library that is preloaded into the service moves what it
//! reads. The kernel's own times, as those of frames and files, stay right: `tests/hwsim/run --clock` sets those too.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::process;
use super::require;
use super::service::Config;

/// The clock of one service.
pub struct JumpingClock {
    folder: tempfile::TempDir,
    jump: File,
}

impl JumpingClock {
    /// A clock that is right. `None` after a skip was reported.
    pub fn build() -> Option<Self> {
        if !require::runs_with("cc", "--version") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/jumping_clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(folder.path().join("clock.so")).arg(source);
        let mut compiler = compiler.stdin(Stdio::null()).spawn().expect("the compiler starts");
        assert!(process::wait_for_exit(&mut compiler, "the library to be compiled").success());
        fs::write(folder.path().join("jump"), 0_i64.to_ne_bytes()).expect("a file is written");
        let jump = File::options().write(true).open(folder.path().join("jump")).expect("it is opened");
        Some(Self { folder, jump })
    }

    /// Has the service use this clock.
    pub fn of(&self, config: Config) -> Config {
        let path = |name| self.folder.path().join(name).to_str().expect("a path in UTF-8").to_owned();
        config.env("LD_PRELOAD", &path("clock.so")).env("CLOCK_JUMP", &path("jump"))
    }

    /// Sets it so many seconds ahead of the right time, or behind.
    pub fn set_ahead(&self, seconds: i64) {
        // In place: the library has mapped the file.
        self.jump.write_all_at(&seconds.to_ne_bytes(), 0).expect("the file is written");
    }
}
