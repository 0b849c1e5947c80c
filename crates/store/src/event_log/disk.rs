//! The file operations that the log stands on, so that a test can have any of them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Reading it.
    ToRead,
    /// Reading it and writing behind its end; made where it is missing.
    ToAppend,
    /// Writing it anew, whatever was in it.
    Anew,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy)]
pub struct FileFacts {
    /// Its length.
    pub bytes: u64,
    /// When it was last written to, by the machine's clock then.
    pub modified: SystemTime,
    /// When it was made, by the machine's clock then; `None` where the file system does not keep that.
    pub created: Option<SystemTime>,
}

/// An open file. A write may take fewer bytes than it is given, as any [`Write`].
pub trait LogFile: Read + Write + Seek + Send + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system says, here and below.
    fn length(&self) -> io::Result<u64>;

    /// Cuts it to this many bytes.
    ///
    /// # Errors
    /// What the system says.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Brings its bytes onto the disk.
    ///
    /// # Errors
    /// What the system says. What was written since the last one that succeeded is in doubt then.
    fn sync_data(&self) -> io::Result<()>;

    /// Brings its bytes and all that is known of it onto the disk.
    ///
    /// # Errors
    /// As [`LogFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// Where files lie.
///
/// Every method fails with what the system says.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes one folder, whose parent exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where it is there, [`io::ErrorKind::NotFound`] where its parent is
    /// not.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Brings the names in a folder onto the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// The files in a folder, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// What is known of a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn look_at(&self, path: &Path) -> io::Result<FileFacts>;

    /// Opens a file.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn LogFile>>;

    /// Gives a file another name, and takes that name from the file that had it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Has a file say that it was last written to at this time.
    ///
    /// # Errors
    /// What the system says.
    fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()>;
}

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn look_at(&self, path: &Path) -> io::Result<FileFacts> {
        let known = fs::metadata(path)?;
        Ok(FileFacts { bytes: known.len(), modified: known.modified()?, created: known.created().ok() })
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn LogFile>> {
        let mut options = OpenOptions::new();
        match how {
            Open::ToRead => options.read(true),
            Open::ToAppend => options.read(true).append(true).create(true),
            Open::Anew => options.write(true).create(true).truncate(true),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        File::options().append(true).open(path)?.set_modified(time)
    }
}

impl LogFile for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|known| known.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}
