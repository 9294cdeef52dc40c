//! The JAAS file that `java.security.auth.login.config` names, in the environment variable `KAFKA_OPTS` as Kafka's scripts take it.

use ottla_config::java_options::system_properties;
use ottla_security::jaas::{JaasFile, JaasFileFailure};

pub use ottla_config::java_options::KAFKA_OPTS;

/// Reads the file that the options of a JVM name, if they name one. Other properties among them stand in for `${...}` in it.
///
/// # Errors
/// When there is no such file, or it is none.
pub fn read_jaas_file(options: &str) -> Result<Option<JaasFile>, JaasFileFailure> {
    JaasFile::named_by(&system_properties(options), |path| std::fs::read_to_string(path))
}

/// Likewise, for a node that needs it or, without SASL, does not: then what is wrong with the file is told, and the node starts, as
/// Kafka's does, which would not have looked at it.
///
/// # Errors
/// As [`read_jaas_file`], when it is needed.
pub fn read_jaas_file_if_needed(options: &str, is_needed: bool) -> Result<Option<JaasFile>, JaasFileFailure> {
    match read_jaas_file(options) {
        Err(why) if !is_needed => {
            tracing::warn!("{why}; no listener asks for SASL, so it is not needed");
            Ok(None)
        }
        read => read,
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
        let named = format!("-Xmx1G -Dsecret=hush -D{LOGIN_CONFIG}={}", path.display());
        assert!(matches!(read_jaas_file("-Xmx1G"), Ok(None)));
        assert!(matches!(read_jaas_file(&named), Err(JaasFileFailure::Io { .. })));
        assert!(matches!(read_jaas_file_if_needed(&named, true), Err(JaasFileFailure::Io { .. })));
        assert!(matches!(read_jaas_file_if_needed(&named, false), Ok(None)));
        std::fs::write(&path, "KafkaServer { M required user_a=\"${secret}\"; };").expect("a file");
        let file = read_jaas_file(&named).expect("a file").expect("it is named");
        assert_eq!(file.of_listener("ANY").expect("a section")[0].option("user_a"), Some("hush"));
        std::fs::write(&path, "KafkaServer").expect("a file");
        assert!(matches!(read_jaas_file(&named), Err(JaasFileFailure::Content { .. })));
    }
}
