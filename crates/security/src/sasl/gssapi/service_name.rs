//! The first part of brokers' principals, which a login module and a configuration may both name (`KerberosLogin.getServiceName`).

/// Why there is none. The words are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    /// Nobody names it.
    #[error("No serviceName defined in either JAAS or Kafka config")]
    Missing,
    /// They name two.
    #[error(
        "Conflicting serviceName values found in JAAS and Kafka configs value in JAAS file {jaas}, value in Kafka config {config}"
    )]
    Conflict {
        /// That of the login module.
        jaas: String,
        /// `sasl.kerberos.service.name`
        config: String,
    },
}

/// The name, of the login module's option `serviceName` and of `sasl.kerberos.service.name`.
///
/// # Errors
/// When there is none, or there are two.
pub fn service_name<'a>(jaas: Option<&'a str>, config: Option<&'a str>) -> Result<&'a str, ServiceNameError> {
    match (jaas, config) {
        (Some(jaas), Some(config)) if jaas != config => {
            Err(ServiceNameError::Conflict { jaas: jaas.to_owned(), config: config.to_owned() })
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(ServiceNameError::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_names_it_and_both_must_agree() {
        assert_eq!(service_name(Some("kafka"), None), Ok("kafka"));
        assert_eq!(service_name(None, Some("kafka")), Ok("kafka"));
        assert_eq!(service_name(Some("kafka"), Some("kafka")), Ok("kafka"));
        assert_eq!(service_name(None, None), Err(ServiceNameError::Missing));
        let why = service_name(Some("http"), Some("kafka")).expect_err("two").to_string();
        assert!(why.ends_with("value in JAAS file http, value in Kafka config kafka"), "{why}");
    }
}
