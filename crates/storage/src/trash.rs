//! Files and directories that were renamed for removal and wait until nobody is expected to read them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fs::found;
use crate::log_dir::LogDir;

#[derive(Debug)]
struct Item {
    due_ms: i64,
    path: PathBuf,
    log_dir: Arc<LogDir>,
}

/// What is to be removed, and when. Unlinking a gigabyte takes milliseconds, so it is done by whoever calls
/// [`Trash::empty`] (a background thread), never by the thread that serves.
#[derive(Debug, Default)]
pub struct Trash {
    items: Mutex<Vec<Item>>,
}

impl Trash {
    /// Plans the removal of a file, or of a directory with all it holds.
    pub fn add(&self, due_ms: i64, path: PathBuf, log_dir: &Arc<LogDir>) {
        self.items.lock().push(Item { due_ms, path, log_dir: log_dir.clone() });
    }

    /// Removes what is due; how many were removed.
    pub fn empty(&self, now_ms: i64) -> usize {
        let due: Vec<Item> = {
            let mut items = self.items.lock();
            items.extract_if(.., |item| item.due_ms <= now_ms).collect()
        };
        for item in &due {
            if item.log_dir.is_online()
                && let Err(e) = remove(&item.path)
            {
                item.log_dir.fail(format!("Error while deleting {}", item.path.display()), e);
            }
        }
        due.len()
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.items.lock().len()
    }
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    let Some(kind) = found(std::fs::symlink_metadata(path))? else { return Ok(()) };
    let done = if kind.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    found(done).map(|_| ())
}
