//! Tokens from a file that somebody else keeps fresh (`FileJwtRetriever`). It is read whenever a token is wanted.

use std::path::PathBuf;

use super::{RawToken, TokenFuture, TokenSource, read_file};

/// Reads a file.
#[derive(Debug)]
pub struct FileSource {
    /// The file.
    pub path: PathBuf,
}

impl TokenSource for FileSource {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            let text = read_file(self.path.clone()).await?;
            Ok(RawToken(text.trim().to_owned()))
        })
    }
}
