//! The Unix socket: who may open it may do everything, so its permissions are the lock.
//!
//! [`bind`] makes it in a folder that is closed to all others and gives it mode 0660 there, before it gets its name; it takes the place of a socket that nobody listens on,
//! and of nothing else. [`SocketFile`] removes it at the end.

use super::book::Stamp;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The socket's place on the disk; removed when dropped, if it is still ours.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    ours: Option<Stamp>,
}

/// Listens on a Unix socket. Its folder is made when it is not there.
///
/// # Errors
/// When somebody listens there already, something else is there, or it cannot be made.
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is something that is no socket"));
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(Error::new(ErrorKind::AddrInUse, "another daemon listens there")),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        }
    }
    let mut closed = path.as_os_str().to_owned();
    closed.push(format!(".{}", std::process::id()));
    let closed = PathBuf::from(closed);
    let fresh = closed.join("s");
    if fs::symlink_metadata(&closed).is_ok_and(|there| there.is_dir()) {
        // Of a daemon that was killed here and had our number.
        _ = fs::remove_file(&fresh);
        _ = fs::remove_dir(&closed);
    }
    DirBuilder::new().mode(0o700).create(&closed)?;
    let bound = placed(&fresh, path);
    _ = fs::remove_file(&fresh);
    _ = fs::remove_dir(&closed);
    Ok((bound?, SocketFile { path: path.into(), ours: Stamp::of(path) }))
}

/// Makes a socket, gives it its mode and then its name.
fn placed(fresh: &Path, path: &Path) -> Result<UnixListener> {
    let bound = UnixListener::bind(fresh)?;
    fs::set_permissions(fresh, Permissions::from_mode(0o660))?;
    fs::rename(fresh, path)?;
    Ok(bound)
}

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.ours.is_some() && Stamp::of(&self.path) == self.ours {
            _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_made_for_owner_and_group_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/switchward.sock");
        let (listener, file) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        assert!(path.exists(), "closing does not remove it");
        let (_listener, next) = bind(&path).unwrap();
        drop(file);
        assert!(path.exists(), "it is another's by now");
        drop(next);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn nobody_sees_it_before_it_has_its_mode_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switchward.sock");
        let closed = folder.path().join(format!("switchward.sock.{}", std::process::id()));
        let names =
            || -> Vec<_> { fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
        // What a killed daemon left is taken away; what somebody else put there is not used.
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("s"), "").unwrap();
        let (_listener, file) = bind(&path).unwrap();
        assert_eq!(names(), ["switchward.sock"]);
        drop(file);
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &closed).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(fs::read_dir(&elsewhere).unwrap().next().is_none() && !path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "mine").unwrap();
        assert!(bind(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
