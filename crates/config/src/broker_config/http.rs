//! The HTTP listener for `/metrics` and `/health`.

use crate::quorum_address::HostPort;
use crate::values::Values;

/// The HTTP listener and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// `ottla.http.listener`; `None`: nothing is served.
    pub listener: Option<HostPort>,
    /// `ottla.metrics.series` names topics.
    pub topic_series: bool,
    /// `ottla.metrics.series` names partitions.
    pub partition_series: bool,
    /// `ottla.metrics.series` names groups.
    pub group_series: bool,
    /// `ottla.metrics.series` names clients.
    pub client_series: bool,
    /// `ottla.metrics.series.max`.
    pub series_max: usize,
}

impl HttpConfig {
    pub(super) fn from_values(values: &Values) -> HttpConfig {
        let series = values.list("ottla.metrics.series");
        let has = |name: &str| series.iter().any(|element| element == name);
        HttpConfig {
            listener: values.opt_string("ottla.http.listener").and_then(HostPort::parse),
            topic_series: has("topic"),
            partition_series: has("partition"),
            group_series: has("group"),
            client_series: has("client"),
            series_max: usize::try_from(values.int("ottla.metrics.series.max")).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{BrokerConfig, RawMap};

    fn config(entries: &[(&str, &str)]) -> Result<super::HttpConfig, String> {
        let mut properties = RawMap::from([("log.dirs".to_owned(), "/data".to_owned())]);
        properties.extend(entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
        match BrokerConfig::from_properties(&properties) {
            Ok((config, _)) => Ok(config.http),
            Err(errors) => Err(errors.iter().map(|error| error.explain()).collect()),
        }
    }

    #[test]
    fn nothing_is_served_unless_asked_for() {
        let http = config(&[]).unwrap();
        assert_eq!(http.listener, None);
        assert!(http.topic_series && http.partition_series && http.group_series && http.client_series);
    }

    #[test]
    fn the_listener_is_a_host_and_a_port() {
        let listener =
            |text: &str| config(&[("ottla.http.listener", text)]).map(|http| http.listener.unwrap());
        let parsed = |text: &str| listener(text).unwrap().to_string();
        assert_eq!(parsed("0.0.0.0:9404"), "0.0.0.0:9404");
        assert_eq!(parsed("localhost:0"), "localhost:0");
        assert_eq!(parsed("[::]:9404"), "[::]:9404");
        for wrong in ["9404", "localhost", "localhost:", ":9404", "localhost:99999", "http://localhost:1"] {
            let why = listener(wrong).unwrap_err();
            assert!(why.contains("ottla.http.listener") && why.contains("host:port"), "{why}");
        }
    }

    #[test]
    fn series_can_be_left_out() {
        let http = config(&[("ottla.metrics.series", "topic"), ("ottla.metrics.series.max", "7")]).unwrap();
        assert!(http.topic_series && !http.partition_series && !http.group_series && http.series_max == 7);
        assert!(config(&[("ottla.metrics.series", "topics")]).is_err());
    }
}
