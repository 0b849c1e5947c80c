//! The file operations that the log uses, as a trait: tests let any of them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading.
    Read,
    /// For reading, and for writing at its end. A missing file is created.
    Append,
    /// For writing an empty file: a missing one is created, the content of an existing one removed.
    Truncate,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The number of the file in it.
    pub inode: u64,
}

impl From<&fs::Metadata> for FileId {
    fn from(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What the file system knows about a file.
#[derive(Debug, Clone, Copy)]
pub struct FileMetadata {
    /// Which file it is.
    pub id: FileId,
    /// Its length.
    pub bytes: u64,
    /// The machine's clock at the last write.
    pub modified: SystemTime,
    /// The machine's clock at its creation; `None` if the file system does not keep that.
    pub created: Option<SystemTime>,
}

/// An open file. As with any [`Write`], a write may take fewer bytes than it is given.
pub trait VfsFile: Read + Write + Seek + Send + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The system's error, here and below.
    fn length(&self) -> io::Result<u64>;

    /// Which file it is. It stays the same if the name is removed or given to another file.
    ///
    /// # Errors
    /// The system's error.
    fn id(&self) -> io::Result<FileId>;

    /// Shortens or extends it to this many bytes.
    ///
    /// # Errors
    /// The system's error.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Waits until its bytes are on the disk.
    ///
    /// # Errors
    /// The system's error. Then everything written since the last sync that succeeded is in doubt.
    fn sync_data(&self) -> io::Result<()>;

    /// Waits until its bytes and metadata are on the disk.
    ///
    /// # Errors
    /// As [`VfsFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// A file system.
pub trait Vfs: Send + Sync + fmt::Debug {
    /// Creates one directory, whose parent exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if it exists, [`io::ErrorKind::NotFound`] if its parent does not.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Waits until the names in a directory are on the disk.
    ///
    /// # Errors
    /// The system's error.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The files in a directory, in no order.
    ///
    /// # Errors
    /// The system's error.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// What the file system knows about a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata>;

    /// Opens a file.
    ///
    /// # Errors
    /// The system's error.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>>;

    /// Renames a file. One that had the new name is gone.
    ///
    /// # Errors
    /// The system's error.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Sets the time of a file's last write.
    ///
    /// # Errors
    /// The system's error.
    fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()>;
}

/// The file systems of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsVfs;

impl Vfs for OsVfs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let metadata = fs::metadata(path)?;
        Ok(FileMetadata {
            id: FileId::from(&metadata),
            bytes: metadata.len(),
            modified: metadata.modified()?,
            created: metadata.created().ok(),
        })
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        match mode {
            OpenMode::Read => options.read(true),
            OpenMode::Append => options.read(true).append(true).create(true),
            OpenMode::Truncate => options.write(true).create(true).truncate(true),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        File::options().append(true).open(path)?.set_modified(time)
    }
}

impl VfsFile for File {
    fn length(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn id(&self) -> io::Result<FileId> {
        self.metadata().map(|metadata| FileId::from(&metadata))
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
