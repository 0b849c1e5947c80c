//! A machine's clock that a test sets while the service runs. A library that is preloaded into the service moves what
//! it reads. The kernel's own times, as those of frames and files, stay right: `tests/hwsim/run --clock` sets those
//! too.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::preload::PreloadedLibrary;
use super::service::Config;

/// The clock of one service.
pub struct JumpingClock {
    library: PreloadedLibrary,
    /// The file in which the library finds how far the clock is off.
    jump_path: PathBuf,
    jump: File,
}

impl JumpingClock {
    /// A clock that is right. `None` after a skip was reported.
    pub fn build() -> Option<Self> {
        let library = PreloadedLibrary::build("jumping_clock.c")?;
        let jump_path = library.folder().join("jump");
        fs::write(&jump_path, 0_i64.to_ne_bytes()).expect("a file is written");
        let jump = File::options().write(true).open(&jump_path).expect("it is opened");
        Some(Self { library, jump_path, jump })
    }

    /// Has the service use this clock.
    pub fn of(&self, config: Config) -> Config {
        let jump = self.jump_path.to_str().expect("a path in UTF-8");
        config.env("LD_PRELOAD", &self.library.path()).env("CLOCK_JUMP", jump)
    }

    /// Sets it so many seconds ahead of the right time, or behind.
    pub fn set_ahead(&self, seconds: i64) {
        // In place: the library has mapped the file.
        self.jump.write_all_at(&seconds.to_ne_bytes(), 0).expect("the file is written");
    }
}
