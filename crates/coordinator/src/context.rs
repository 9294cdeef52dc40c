//! Who sends a request.

use std::fmt;
use std::sync::Arc;

use ottla_protocol::Str;

/// What the coordinator needs to know about a request beyond its body.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Version of the API in which the request came. Answers are made to fit it.
    pub api_version: i16,
    /// Client id of the request header; empty when it is null.
    pub client_id: Str,
    /// The client's address as Java's `InetAddress.toString` prints it, which is what tools show and what
    /// Kafka persists: `/127.0.0.1`. See [`RequestContext::host_of`].
    pub client_host: Str,
    /// The topics that a regular expression may match.
    pub sees: TopicSight,
}

/// Which topics who asks may describe: a regular expression must not tell of others (`TopicRegexResolver`).
#[derive(Clone, Default)]
pub struct TopicSight(Option<Arc<Sees>>);

type Sees = dyn Fn(&str) -> bool + Send + Sync;

impl TopicSight {
    /// The topics for which this holds. It is asked once, soon after the request, and may then tell of newer rules.
    pub fn of(sees: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sees)))
    }

    /// Whether a topic is among them; without an authorizer all are.
    pub fn sees(&self, topic: &str) -> bool {
        self.0.as_ref().is_none_or(|sees| sees(topic))
    }
}

impl fmt::Debug for TopicSight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "TopicSight(some)" } else { "TopicSight(all)" })
    }
}

impl RequestContext {
    /// The text that Kafka stores as a member's host for this address.
    pub fn host_of(address: std::net::IpAddr) -> Str {
        match address {
            std::net::IpAddr::V4(v4) => Str::from(format!("/{v4}")),
            // Java prints all eight groups, without `::`.
            std::net::IpAddr::V6(v6) => {
                let groups: Vec<String> = v6.segments().iter().map(|s| format!("{s:x}")).collect();
                Str::from(format!("/{}", groups.join(":")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_java_writes_them() {
        assert_eq!(RequestContext::host_of("127.0.0.1".parse().unwrap()), "/127.0.0.1");
        assert_eq!(RequestContext::host_of("::1".parse().unwrap()), "/0:0:0:0:0:0:0:1");
    }
}
