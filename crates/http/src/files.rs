//! Files that settings name (keytabs, tickets, tokens, keys of issuers), which are bounded as what comes over the network is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of a file.
///
/// # Errors
/// The operating system's, and when the file has more than so many bytes.
pub fn read(path: impl AsRef<Path>, bytes_max: usize) -> io::Result<Vec<u8>> {
    read_open(File::open(path)?, bytes_max)
}

/// The bytes of a file that is open already.
///
/// # Errors
/// As [`read`].
pub fn read_open(file: File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let why = format!("it has more than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// [`read`] away from the threads that serve connections.
///
/// # Errors
/// As [`read`].
pub async fn read_aside(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read(path, bytes_max)).await.map_err(io::Error::other)?
}

/// The text of a file; what is no UTF-8 in it is replaced.
///
/// # Errors
/// As [`read`], in words.
pub fn text(path: &str, bytes_max: usize) -> Result<String, String> {
    let bytes = read(path, bytes_max).map_err(|why| why.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names of the files in a folder, in any order; those that are no UTF-8 are left out.
///
/// # Errors
/// The operating system's, in words.
pub fn names(folder: &str) -> Result<Vec<String>, String> {
    let found = std::fs::read_dir(folder).map_err(|why| why.to_string())?;
    let files = found.filter_map(Result::ok).filter(|entry| !entry.path().is_dir());
    Ok(files.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_is_allowed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        std::fs::write(&path, [b'a', 0xff, b'b']).expect("a file");
        std::fs::create_dir(dir.path().join("folder")).expect("a folder");
        assert_eq!(read(&path, 3).expect("bytes"), [b'a', 0xff, b'b']);
        assert_eq!(read_aside(&path, 3).await.expect("bytes").len(), 3);
        let why = read(&path, 2).expect_err("too much");
        assert_eq!(
            (why.kind(), why.to_string()),
            (io::ErrorKind::FileTooLarge, "it has more than 2 bytes".to_owned())
        );
        assert!(read_aside(&path, 2).await.is_err());
        assert_eq!(read(dir.path().join("b"), 9).expect_err("nothing").kind(), io::ErrorKind::NotFound);
        let (path, folder) = (path.to_str().expect("a path"), dir.path().to_str().expect("a path"));
        assert_eq!(text(path, 3).as_deref(), Ok("a\u{fffd}b"));
        assert_eq!(names(folder), Ok(vec!["a".to_owned()]), "folders are none");
        assert!(names("/nowhere/at/all").is_err());
    }
}
