//! What the options of a Java virtual machine say of logins, in the environment variable `KAFKA_OPTS` as Kafka's scripts take them.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use ottla_config::java_options::system_properties;
use ottla_security::jaas::{JaasEntry, JaasFile, JaasFileFailure};

/// The properties, and the JAAS file that `java.security.auth.login.config` names.
#[derive(Default)]
pub(super) struct JavaOptions {
    /// All of them; some stand in for `${...}` in the file.
    pub(super) properties: HashMap<String, String>,
    /// Read when a listener first looks for a login module there, as in Java: a node whose listeners have theirs elsewhere starts without it.
    file: OnceLock<Option<JaasFile>>,
}

impl JavaOptions {
    /// Reads the options, and no file.
    pub(super) fn new(options: &str) -> Self {
        Self { properties: system_properties(options), file: OnceLock::new() }
    }

    /// The login modules that the file has for a listener, or for all; none where no file is named.
    ///
    /// # Errors
    /// When there is no such file, or it is none. The next who asks has it read again.
    pub(super) fn of_listener(&self, listener: &str) -> Result<&[JaasEntry], JaasFileFailure> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let read = JaasFile::named_by(&self.properties, |path| std::fs::read_to_string(path))?;
                self.file.get_or_init(|| read)
            }
        };
        Ok(file.as_ref().and_then(|file| file.of_listener(listener)).unwrap_or_default())
    }
}

/// Properties may be secret.
impl fmt::Debug for JavaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JavaOptions")
    }
}

#[cfg(test)]
mod tests {
    use ottla_security::jaas::LOGIN_CONFIG;

    use super::*;

    #[test]
    fn the_file_that_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("jaas.conf");
        assert!(JavaOptions::new("-Xmx1G").of_listener("ANY").expect("no file").is_empty());
        let options = format!("-Xmx1G -Dsecret=hush -D{LOGIN_CONFIG}={}", path.display());
        let options = JavaOptions::new(&options);
        assert!(matches!(options.of_listener("ANY"), Err(JaasFileFailure::Io { .. })));
        std::fs::write(&path, "KafkaServer").expect("a file");
        assert!(matches!(options.of_listener("ANY"), Err(JaasFileFailure::Content { .. })));
        std::fs::write(&path, "KafkaServer { M required user_a=\"${secret}\"; };").expect("a file");
        assert_eq!(options.of_listener("ANY").expect("a section")[0].option("user_a"), Some("hush"));
        std::fs::remove_file(&path).expect("a file");
        assert_eq!(options.of_listener("OTHER").expect("it is read once").len(), 1);
        assert!(!format!("{options:?}").contains("hush"));
    }
}
