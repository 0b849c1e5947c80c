//! A disk with a bad sector. A library that is preloaded into a program fails the reads of it.

use super::preload::PreloadedLibrary;

/// The library.
pub struct BadSector(PreloadedLibrary);

impl BadSector {
    /// `None` after a skip was reported.
    pub fn build() -> Option<Self> {
        PreloadedLibrary::build("bad_sector.c").map(Self)
    }

    /// The environment of a program that cannot read this byte of the file with this name, and those around it.
    pub fn environment(&self, name: &str, at: u64) -> [(&'static str, String); 3] {
        [
            ("LD_PRELOAD", self.0.path()),
            ("BAD_SECTOR_FILE", name.to_owned()),
            ("BAD_SECTOR_AT", at.to_string()),
        ]
    }
}
