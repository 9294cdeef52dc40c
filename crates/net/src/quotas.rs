//! Who may connect: `max.connections`, per listener and per address, and the creation rate. Kafka: `ConnectionQuotas` in
//! `kafka.network.SocketServer` (KIP-402, KIP-612).
//!
//! All of it is on the accept path only, so one lock is enough. The limits can be changed while the server runs and hold from the
//! next connection on; connections that are open stay.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::context::ListenerInfo;
use crate::error::NetError;
use crate::options::NetOptions;
use crate::rate::TokenBucket;

/// Limits and counts of connections. The setters take Kafka's dynamic configuration keys.
#[derive(Debug)]
pub struct ConnectionQuotas {
    state: Mutex<State>,
    /// A connection was closed or a limit was raised.
    slot_freed: Notify,
}

#[derive(Debug)]
struct State {
    max_connections: u32,
    max_connections_per_ip: u32,
    overrides: HashMap<IpAddr, u32>,
    rate: TokenBucket,
    total: u32,
    by_ip: HashMap<IpAddr, u32>,
    listeners: Vec<ListenerQuota>,
}

#[derive(Debug)]
struct ListenerQuota {
    info: Arc<ListenerInfo>,
    max_connections: u32,
    rate: TokenBucket,
    count: u32,
}

/// A counted connection; dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct Permit {
    quotas: Arc<ConnectionQuotas>,
    listener: usize,
    ip: IpAddr,
}

/// What [`ConnectionQuotas::admit`] says.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Counted. `over_limit`: the broker now has more than `max.connections`, and one of another listener has to go.
    Admitted { permit: Permit, over_limit: bool },
    /// No slot; wait for one.
    Full,
    /// The address has as many connections as it may have (the number).
    TooManyFromAddress(u32),
}

impl ConnectionQuotas {
    pub(crate) fn new(options: &NetOptions, listeners: &[Arc<ListenerInfo>]) -> Result<Arc<Self>, NetError> {
        let quotas = listeners.iter().zip(&options.listeners).map(|(info, listener)| ListenerQuota {
            info: info.clone(),
            max_connections: listener.max_connections,
            rate: TokenBucket::new(listener.max_connection_creation_rate),
            count: 0,
        });
        Ok(Arc::new(ConnectionQuotas {
            state: Mutex::new(State {
                max_connections: options.max_connections,
                max_connections_per_ip: options.max_connections_per_ip,
                overrides: resolve(&options.max_connections_per_ip_overrides)?,
                rate: TokenBucket::new(options.max_connection_creation_rate),
                total: 0,
                by_ip: HashMap::new(),
                listeners: quotas.collect(),
            }),
            slot_freed: Notify::new(),
        }))
    }

    /// `max.connections` of the broker.
    pub fn set_max_connections(&self, max_connections: u32) {
        self.state.lock().max_connections = max_connections;
        self.slot_freed.notify_waiters();
    }

    /// `listener.name.<listener>.max.connections`. An unknown listener is ignored.
    pub fn set_listener_max_connections(&self, listener: &str, max_connections: u32) {
        self.with_listener(listener, |quota| quota.max_connections = max_connections);
        self.slot_freed.notify_waiters();
    }

    /// `max.connections.per.ip`.
    pub fn set_max_connections_per_ip(&self, max_connections: u32) {
        self.state.lock().max_connections_per_ip = max_connections;
    }

    /// `max.connections.per.ip.overrides`. Resolves host names, which may block.
    ///
    /// # Errors
    /// [`NetError::Override`] when a host has no address; the overrides stay as they were then.
    pub fn set_max_connections_per_ip_overrides(&self, overrides: &[(String, u32)]) -> Result<(), NetError> {
        let overrides = resolve(overrides)?;
        self.state.lock().overrides = overrides;
        Ok(())
    }

    /// `max.connection.creation.rate` of the broker, in connections per second.
    pub fn set_max_connection_creation_rate(&self, per_second: u32) {
        self.state.lock().rate.set_rate(per_second);
    }

    /// `listener.name.<listener>.max.connection.creation.rate`. An unknown listener is ignored.
    pub fn set_listener_max_connection_creation_rate(&self, listener: &str, per_second: u32) {
        self.with_listener(listener, |quota| quota.rate.set_rate(per_second));
    }

    /// Open connections of a listener.
    pub fn listener_connections(&self, listener: &str) -> u32 {
        self.with_listener(listener, |quota| quota.count).unwrap_or(0)
    }

    /// Open connections from an address.
    pub fn connections_from(&self, ip: IpAddr) -> u32 {
        self.state.lock().by_ip.get(&ip.to_canonical()).copied().unwrap_or(0)
    }

    fn with_listener<R>(&self, name: &str, f: impl FnOnce(&mut ListenerQuota) -> R) -> Option<R> {
        self.state.lock().listeners.iter_mut().find(|quota| quota.info.name == name).map(f)
    }

    /// Counts a new connection against the rates, and says how long it has to wait: the longer of the broker's and the listener's
    /// delay. The inter-broker listener is held to its own rate only.
    pub(crate) fn throttle(&self, listener: usize, now: Instant) -> Duration {
        let state = &mut *self.state.lock();
        let Some(quota) = state.listeners.get_mut(listener) else { return Duration::ZERO };
        let own = quota.rate.take(now);
        if quota.info.protected { own } else { own.max(state.rate.take(now)) }
    }

    /// Counts a new connection, if there is room for it.
    pub(crate) fn admit(self: &Arc<Self>, listener: usize, ip: IpAddr) -> Admission {
        let state = &mut *self.state.lock();
        let Some(quota) = state.listeners.get_mut(listener) else { return Admission::Full };
        if quota.count >= quota.max_connections
            || (!quota.info.protected && state.total >= state.max_connections)
        {
            return Admission::Full;
        }
        let max = state.overrides.get(&ip).copied().unwrap_or(state.max_connections_per_ip);
        if state.by_ip.get(&ip).copied().unwrap_or(0) >= max {
            return Admission::TooManyFromAddress(max);
        }
        quota.count += 1;
        state.total += 1;
        *state.by_ip.entry(ip).or_insert(0) += 1;
        Admission::Admitted {
            permit: Permit { quotas: self.clone(), listener, ip },
            over_limit: state.total > state.max_connections,
        }
    }

    /// Like [`ConnectionQuotas::admit`], after waiting for a slot where there is none. `blocked` is told once if it has to wait.
    pub(crate) async fn admit_when_free(
        self: &Arc<Self>,
        listener: usize,
        ip: IpAddr,
        blocked: impl FnOnce(),
    ) -> Result<(Permit, bool), u32> {
        let mut blocked = Some(blocked);
        loop {
            let freed = self.slot_freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that a slot freed in between is not missed.
            freed.as_mut().enable();
            match self.admit(listener, ip) {
                Admission::Admitted { permit, over_limit } => return Ok((permit, over_limit)),
                Admission::TooManyFromAddress(max) => return Err(max),
                Admission::Full => {
                    if let Some(blocked) = blocked.take() {
                        blocked();
                    }
                    freed.await;
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let state = &mut *self.quotas.state.lock();
            state.total = state.total.saturating_sub(1);
            if let Some(quota) = state.listeners.get_mut(self.listener) {
                quota.count = quota.count.saturating_sub(1);
            }
            if let Some(count) = state.by_ip.get_mut(&self.ip) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    state.by_ip.remove(&self.ip);
                }
            }
        }
        self.quotas.slot_freed.notify_waiters();
    }
}

fn resolve(overrides: &[(String, u32)]) -> Result<HashMap<IpAddr, u32>, NetError> {
    let mut resolved = HashMap::new();
    for (host, max) in overrides {
        let addresses = (host.trim_matches(['[', ']']), 0)
            .to_socket_addrs()
            .map_err(|source| NetError::Override { host: host.clone(), source })?;
        resolved.extend(addresses.map(|address| (address.ip().to_canonical(), *max)));
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{ListenerOptions, SecurityProtocol};

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn quotas(change: impl FnOnce(&mut NetOptions)) -> Arc<ConnectionQuotas> {
        let mut options = NetOptions {
            listeners: vec![
                ListenerOptions::plaintext("OUT", "", 0),
                ListenerOptions::plaintext("IN", "", 0),
            ],
            ..NetOptions::default()
        };
        change(&mut options);
        let infos: Vec<_> = options
            .listeners
            .iter()
            .enumerate()
            .map(|(index, listener)| {
                Arc::new(ListenerInfo {
                    index,
                    name: listener.name.clone(),
                    protocol: SecurityProtocol::Plaintext,
                    protected: index == 1,
                })
            })
            .collect();
        ConnectionQuotas::new(&options, &infos).unwrap()
    }

    fn admitted(admission: Admission) -> (Permit, bool) {
        match admission {
            Admission::Admitted { permit, over_limit } => (permit, over_limit),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn broker_limit_spares_the_inter_broker_listener() {
        let quotas = quotas(|o| o.max_connections = 1);
        let (first, over) = admitted(quotas.admit(0, IP));
        assert!(!over);
        assert!(matches!(quotas.admit(0, IP), Admission::Full));
        let (_second, over) = admitted(quotas.admit(1, IP));
        assert!(over);
        drop(first);
        assert!(matches!(quotas.admit(0, IP), Admission::Full), "the inter-broker connection has the slot");
        quotas.set_max_connections(2);
        admitted(quotas.admit(0, IP));
    }

    #[test]
    fn listener_limit() {
        let quotas = quotas(|o| o.listeners[1].max_connections = 1);
        let first = admitted(quotas.admit(1, IP));
        assert!(matches!(quotas.admit(1, IP), Admission::Full));
        assert_eq!(quotas.listener_connections("IN"), 1);
        drop(first);
        quotas.set_listener_max_connections("IN", 2);
        let _both = (admitted(quotas.admit(1, IP)), admitted(quotas.admit(1, IP)));
        assert!(matches!(quotas.admit(1, IP), Admission::Full));
    }

    #[test]
    fn address_limit_and_overrides() {
        let quotas = quotas(|o| {
            o.max_connections_per_ip = 1;
            o.max_connections_per_ip_overrides = vec![("127.0.0.1".into(), 2), ("[::1]".into(), 0)];
        });
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let _one = admitted(quotas.admit(0, IP));
        assert!(matches!(quotas.admit(0, IP), Admission::TooManyFromAddress(1)));
        let _two = (admitted(quotas.admit(0, local)), admitted(quotas.admit(0, local)));
        assert!(matches!(quotas.admit(0, local), Admission::TooManyFromAddress(2)));
        assert!(matches!(quotas.admit(0, "::1".parse().unwrap()), Admission::TooManyFromAddress(0)));
        assert_eq!(quotas.connections_from(local), 2);
        quotas.set_max_connections_per_ip_overrides(&[]).unwrap();
        assert!(matches!(quotas.admit(0, local), Admission::TooManyFromAddress(1)));
        quotas.set_max_connections_per_ip(5);
        admitted(quotas.admit(0, local));
    }

    #[test]
    fn inter_broker_listener_has_its_own_rate_only() {
        let quotas = quotas(|o| o.max_connection_creation_rate = 1);
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(quotas.throttle(0, now), Duration::ZERO);
        }
        assert!(quotas.throttle(0, now) > Duration::ZERO);
        assert_eq!(quotas.throttle(1, now), Duration::ZERO);
        quotas.set_listener_max_connection_creation_rate("IN", 0);
        assert!(quotas.throttle(1, now) > Duration::ZERO);
    }

    #[tokio::test]
    async fn waits_for_a_slot() {
        let quotas = quotas(|o| o.max_connections = 1);
        let (first, _) = admitted(quotas.admit(0, IP));
        let mut blocked = false;
        let mut second = Box::pin(quotas.admit_when_free(0, IP, || blocked = true));
        assert!(
            std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx).is_pending())).await
        );
        drop(first);
        let second = second.await;
        assert!(second.is_ok());
        assert!(blocked);
    }
}
