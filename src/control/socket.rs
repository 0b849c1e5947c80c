//! The socket in the data directory. Nobody but its owner and root can open it, at any moment.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};

use store::event_log::FileId;
use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the data directory.
pub const SOCKET: &str = "control.sock";

/// The folder in the data directory in which the socket is made.
const TEMPORARY_DIR: &str = "control.tmp";

/// The longest path that fits into a socket's address, with the zero behind it (unix(7)).
const PATH_LIMIT: usize = 107;

/// The socket, as the service listens on it.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
    file: FileId,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The socket's owner, or root.
    Permitted,
    /// Anybody else.
    OtherUser,
}

impl Listener {
    /// Makes the socket in `data_dir`, and replaces one that is there: this process has the directory's lock. To be
    /// called within the runtime.
    ///
    /// # Errors
    /// What the system says, as when the file system takes no sockets.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let making = data_dir.join(TEMPORARY_DIR);
        remove_folder(&making)?;
        DirBuilder::new().mode(0o700).create(&making)?;
        let made = Self::make(&making, data_dir.join(SOCKET));
        let removed = remove_folder(&making);
        let listener = made?;
        removed?;
        Ok(listener)
    }

    fn make(making: &Path, path: PathBuf) -> io::Result<Self> {
        let unnamed = making.join(SOCKET);
        let listener = at(making, net::UnixListener::bind)?;
        // Before it has its name: nobody ever finds it open.
        fs::set_permissions(&unnamed, Permissions::from_mode(0o600))?;
        let metadata = fs::symlink_metadata(&unnamed)?;
        fs::rename(&unnamed, &path)?;
        listener.set_nonblocking(true)?;
        let (owner, file) = (metadata.uid(), FileId::from(&metadata));
        Ok(Self { listener: UnixListener::from_std(listener)?, path, owner, file })
    }

    /// Whether clients still find it: the data directory may have been removed or replaced.
    pub fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|named| FileId::from(&named) == self.file)
    }

    /// The next connection, and whether its user may use the socket.
    ///
    /// # Errors
    /// What the system says, as when no file descriptor is left.
    pub(super) async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        let peer = if self.is_permitted(&stream) { Peer::Permitted } else { Peer::OtherUser };
        Ok((stream, peer))
    }

    fn is_permitted(&self, peer: &UnixStream) -> bool {
        peer.peer_cred().is_ok_and(|peer| peer.uid() == self.owner || peer.uid() == 0)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // If it stays, the next service replaces it.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects to the service that listens in `data_dir`.
pub(super) fn connect(data_dir: &Path) -> io::Result<net::UnixStream> {
    at(data_dir, net::UnixStream::connect)
}

/// Whether a service listens in `data_dir`.
pub fn is_listening(data_dir: &Path) -> bool {
    connect(data_dir).is_ok()
}

/// Works on the socket in this folder, whose path may be longer than a socket's address can be.
fn at<T>(folder: &Path, work: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= PATH_LIMIT {
        return work(path);
    }
    let open = File::open(folder)?;
    work(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd())))
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_limit::in_time;

    fn check(data_dir: &Path) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let left_behind = net::UnixListener::bind(data_dir.join(SOCKET));
            let is_stale = left_behind.is_ok();
            drop(left_behind);
            assert!(connect(data_dir).is_err(), "nobody listens");
            let listener = Listener::bind(data_dir).unwrap();
            let mode = fs::metadata(data_dir.join(SOCKET)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{is_stale}");
            assert_eq!(fs::read_dir(data_dir).unwrap().count(), 1, "the temporary folder is gone");
            let _near = connect(data_dir).unwrap();
            let accepted = in_time("the connection", listener.accept()).await.unwrap();
            assert_eq!(accepted.1, Peer::Permitted);
            drop(listener);
            assert_eq!(connect(data_dir).unwrap_err().kind(), io::ErrorKind::NotFound);
        });
    }

    #[test]
    fn only_the_owner_may_open_it_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path());
        // A service that was killed while it made the socket.
        fs::create_dir(folder.path().join(TEMPORARY_DIR)).unwrap();
        fs::write(folder.path().join(TEMPORARY_DIR).join(SOCKET), "").unwrap();
        check(folder.path());
    }

    #[test]
    fn a_long_path_works() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep".repeat(30)).join("deeper".repeat(20));
        fs::create_dir_all(&deep).unwrap();
        check(&deep);
    }
}
