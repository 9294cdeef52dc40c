//! Why a dump ends early.

use std::io;

use crate::Failure;

/// An error that ends the tool; Kafka's tool ends with the same exception.
#[derive(Debug, thiserror::Error)]
pub enum DumpFailure {
    /// What Kafka throws: class and message.
    #[error("{class}: {message}")]
    Thrown {
        /// Full name of the Java class.
        class: &'static str,
        /// Its message.
        message: String,
    },
    /// A file that can't be read, or an output that can't be written.
    #[error("java.io.IOException: {0}")]
    Io(#[from] io::Error),
}

impl DumpFailure {
    /// An exception of that class.
    pub fn thrown(class: &'static str, message: impl Into<String>) -> Self {
        DumpFailure::Thrown { class, message: message.into() }
    }

    /// Records that are not what they should be.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::thrown("org.apache.kafka.common.errors.CorruptRecordException", message)
    }

    /// An index that is not what it should be.
    pub fn corrupt_index(message: impl Into<String>) -> Self {
        Self::thrown("org.apache.kafka.storage.internals.log.CorruptIndexException", message)
    }

    /// Opening a file, as Java tells it.
    pub fn open(path: &std::path::Path, why: &io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::NotFound => {
                let text = format!("{}: {}", path.display(), crate::connect::NO_SUCH_FILE);
                Self::thrown("java.nio.file.NoSuchFileException", text)
            }
            _ => Self::thrown("java.nio.file.FileSystemException", format!("{}: {why}", path.display())),
        }
    }
}

impl From<DumpFailure> for Failure {
    fn from(why: DumpFailure) -> Self {
        match why {
            DumpFailure::Thrown { class, message } => Failure::exception(class, message),
            DumpFailure::Io(why) => Failure::exception("java.io.IOException", why.to_string()),
        }
    }
}
