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
use crate::ip_rates::IpRates;
use crate::options::{ListenerOptions, NetOptions};
use crate::rate::{RateWindow, TokenBucket};

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
    ip_rates: IpRates,
    /// Over which time rates of connections are measured.
    window: RateWindow,
    listeners: Vec<ListenerQuota>,
}

#[derive(Debug)]
struct ListenerQuota {
    info: Arc<ListenerInfo>,
    max_connections: u32,
    rate: TokenBucket,
    count: u32,
    /// Connections that were refused.
    refused: u64,
    /// The listener is closed; its place is free once its last connection is gone.
    is_closed: bool,
}

impl ListenerQuota {
    fn new(info: Arc<ListenerInfo>, listener: &ListenerOptions, window: RateWindow) -> Self {
        ListenerQuota {
            info,
            max_connections: listener.max_connections,
            rate: TokenBucket::new(listener.max_connection_creation_rate, window),
            count: 0,
            refused: 0,
            is_closed: false,
        }
    }
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
    Admitted {
        permit: Permit,
        over_limit: bool,
    },
    /// No slot; wait for one.
    Full,
    Refused(Refused),
}

/// Why an address may not have another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has as many as it may have (the number).
    TooMany(u32),
    /// It has opened them too fast; the connection is closed after this time.
    TooFast(Duration),
}

impl ConnectionQuotas {
    pub(crate) fn new(options: &NetOptions, listeners: &[Arc<ListenerInfo>]) -> Result<Arc<Self>, NetError> {
        let window = RateWindow::new(options.quota_window_num, options.quota_window_seconds);
        let quotas = listeners.iter().zip(&options.listeners);
        let quotas = quotas.map(|(info, listener)| ListenerQuota::new(info.clone(), listener, window));
        Ok(Arc::new(ConnectionQuotas {
            state: Mutex::new(State {
                max_connections: options.max_connections,
                max_connections_per_ip: options.max_connections_per_ip,
                overrides: resolve(&options.max_connections_per_ip_overrides)?,
                rate: TokenBucket::new(options.max_connection_creation_rate, window),
                total: 0,
                by_ip: HashMap::new(),
                ip_rates: IpRates::new(window),
                window,
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

    /// The quota `connection_creation_rate`, in connections per second: of addresses that have one of their own, and of all
    /// others.
    pub fn set_ip_connection_creation_rates(&self, default: Option<u32>, by_ip: HashMap<IpAddr, u32>) {
        self.state.lock().ip_rates.set(default, by_ip);
    }

    /// Open connections of a listener.
    pub fn listener_connections(&self, listener: &str) -> u32 {
        self.with_listener(listener, |quota| quota.count).unwrap_or(0)
    }

    /// Connections of a listener that were closed at once because of `max.connections.per.ip`.
    pub fn listener_refused(&self, listener: &str) -> u64 {
        self.with_listener(listener, |quota| quota.refused).unwrap_or(0)
    }

    /// A connection was refused.
    pub(crate) fn count_refused(&self, listener: usize) {
        if let Some(quota) = self.state.lock().listeners.get_mut(listener) {
            quota.refused += 1;
        }
    }

    /// Open connections from an address.
    pub fn connections_from(&self, ip: IpAddr) -> u32 {
        self.state.lock().by_ip.get(&ip.to_canonical()).copied().unwrap_or(0)
    }

    fn with_listener<R>(&self, name: &str, f: impl FnOnce(&mut ListenerQuota) -> R) -> Option<R> {
        let mut state = self.state.lock();
        let open = state.listeners.iter_mut().find(|quota| !quota.is_closed && quota.info.name == name);
        open.map(f)
    }

    /// Names of the listeners that are open.
    pub fn listener_names(&self) -> Vec<String> {
        let state = self.state.lock();
        let open = state.listeners.iter().filter(|quota| !quota.is_closed);
        open.map(|quota| quota.info.name.clone()).collect()
    }

    /// Counts a listener that is opened while the server runs. `info` makes what is common to its connections, for the place that
    /// it gets here.
    pub(crate) fn open_listener(
        &self,
        listener: &ListenerOptions,
        info: impl FnOnce(usize) -> ListenerInfo,
    ) -> Arc<ListenerInfo> {
        let state = &mut *self.state.lock();
        let free = state.listeners.iter().position(|quota| quota.is_closed && quota.count == 0);
        let index = free.unwrap_or(state.listeners.len());
        let info = Arc::new(info(index));
        let quota = ListenerQuota::new(info.clone(), listener, state.window);
        match state.listeners.get_mut(index) {
            Some(place) => *place = quota,
            None => state.listeners.push(quota),
        }
        info
    }

    /// Forgets a listener; its index, if there was one of that name.
    pub(crate) fn close_listener(&self, name: &str) -> Option<usize> {
        self.with_listener(name, |quota| {
            quota.is_closed = true;
            quota.info.index
        })
    }

    /// Counts a new connection against the rates, and says how long it has to wait: the longer of the broker's and the listener's
    /// delay. The inter-broker listener is held to its own rate only.
    pub(crate) fn throttle(&self, listener: usize, now: Instant) -> Duration {
        let state = &mut *self.state.lock();
        let Some(quota) = state.listeners.get_mut(listener) else { return Duration::ZERO };
        let own = quota.rate.take(now);
        if quota.info.protected { own } else { own.max(state.rate.take(now)) }
    }

    /// Counts a new connection, if there is room for it. One whose address opens them too fast is not counted at all, in
    /// the rates of broker and listener neither.
    pub(crate) fn admit(self: &Arc<Self>, listener: usize, ip: IpAddr, now: Instant) -> Admission {
        let state = &mut *self.state.lock();
        let Some(quota) = state.listeners.get_mut(listener) else { return Admission::Full };
        if quota.count >= quota.max_connections
            || (!quota.info.protected && state.total >= state.max_connections)
        {
            return Admission::Full;
        }
        if let Err(delay) = state.ip_rates.take(ip, now) {
            quota.rate.give_back();
            if !quota.info.protected {
                state.rate.give_back();
            }
            return Admission::Refused(Refused::TooFast(delay));
        }
        let max = state.overrides.get(&ip).copied().unwrap_or(state.max_connections_per_ip);
        if state.by_ip.get(&ip).copied().unwrap_or(0) >= max {
            return Admission::Refused(Refused::TooMany(max));
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
    ) -> Result<(Permit, bool), Refused> {
        let mut blocked = Some(blocked);
        loop {
            let freed = self.slot_freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that a slot freed in between is not missed.
            freed.as_mut().enable();
            match self.admit(listener, ip, Instant::now()) {
                Admission::Admitted { permit, over_limit } => return Ok((permit, over_limit)),
                Admission::Refused(refused) => return Err(refused),
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
    use crate::options::SecurityProtocol;

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
                    unauthenticated_request_max_bytes: 1024,
                    tls: None,
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
        let (first, over) = admitted(quotas.admit(0, IP, Instant::now()));
        assert!(!over);
        assert!(matches!(quotas.admit(0, IP, Instant::now()), Admission::Full));
        let (_second, over) = admitted(quotas.admit(1, IP, Instant::now()));
        assert!(over);
        drop(first);
        assert!(
            matches!(quotas.admit(0, IP, Instant::now()), Admission::Full),
            "the inter-broker connection has the slot"
        );
        quotas.set_max_connections(2);
        admitted(quotas.admit(0, IP, Instant::now()));
    }

    #[test]
    fn listener_limit() {
        let quotas = quotas(|o| o.listeners[1].max_connections = 1);
        let first = admitted(quotas.admit(1, IP, Instant::now()));
        assert!(matches!(quotas.admit(1, IP, Instant::now()), Admission::Full));
        assert_eq!(quotas.listener_connections("IN"), 1);
        drop(first);
        quotas.set_listener_max_connections("IN", 2);
        let _both =
            (admitted(quotas.admit(1, IP, Instant::now())), admitted(quotas.admit(1, IP, Instant::now())));
        assert!(matches!(quotas.admit(1, IP, Instant::now()), Admission::Full));
    }

    #[test]
    fn address_limit_and_overrides() {
        let quotas = quotas(|o| {
            o.max_connections_per_ip = 1;
            o.max_connections_per_ip_overrides = vec![("127.0.0.1".into(), 2), ("[::1]".into(), 0)];
        });
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let _one = admitted(quotas.admit(0, IP, Instant::now()));
        assert!(matches!(quotas.admit(0, IP, Instant::now()), Admission::Refused(Refused::TooMany(1))));
        let _two = (
            admitted(quotas.admit(0, local, Instant::now())),
            admitted(quotas.admit(0, local, Instant::now())),
        );
        assert!(matches!(quotas.admit(0, local, Instant::now()), Admission::Refused(Refused::TooMany(2))));
        assert!(matches!(
            quotas.admit(0, "::1".parse().unwrap(), Instant::now()),
            Admission::Refused(Refused::TooMany(0))
        ));
        assert_eq!(quotas.connections_from(local), 2);
        quotas.set_max_connections_per_ip_overrides(&[]).unwrap();
        assert!(matches!(quotas.admit(0, local, Instant::now()), Admission::Refused(Refused::TooMany(1))));
        quotas.set_max_connections_per_ip(5);
        admitted(quotas.admit(0, local, Instant::now()));
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

    #[test]
    fn listeners_come_and_go() {
        let quotas = quotas(|_| {});
        let open = |name: &str| {
            let options = ListenerOptions { max_connections: 1, ..ListenerOptions::plaintext(name, "", 0) };
            quotas.open_listener(&options, |index| ListenerInfo {
                index,
                name: name.to_owned(),
                protocol: SecurityProtocol::Plaintext,
                protected: false,
                unauthenticated_request_max_bytes: 1024,
                tls: None,
            })
        };
        let new = open("NEW");
        assert_eq!(
            (new.index, quotas.listener_names()),
            (2, ["OUT", "IN", "NEW"].map(str::to_owned).to_vec())
        );
        let first = admitted(quotas.admit(new.index, IP, Instant::now()));
        assert!(matches!(quotas.admit(new.index, IP, Instant::now()), Admission::Full));
        assert_eq!(quotas.close_listener("NEW"), Some(2));
        assert_eq!((quotas.close_listener("NEW"), quotas.listener_connections("NEW")), (None, 0));
        assert_eq!(open("NEW").index, 3, "the place is not free before the last connection is gone");
        drop(first);
        assert_eq!(open("OTHER").index, 2);
        assert_eq!(quotas.listener_names(), ["OUT", "IN", "OTHER", "NEW"]);
    }

    #[test]
    fn an_address_that_is_too_fast_costs_nobody_anything() {
        let quotas = quotas(|o| o.max_connection_creation_rate = 2);
        let now = Instant::now();
        quotas.set_ip_connection_creation_rates(Some(1), HashMap::new());
        let mut admitted = 0;
        for _ in 0..15 {
            assert_eq!(quotas.throttle(0, now), Duration::ZERO);
            match quotas.admit(0, IP, now) {
                Admission::Admitted { .. } => admitted += 1,
                Admission::Refused(refused) => {
                    assert_eq!(refused, Refused::TooFast(Duration::from_secs(1)));
                }
                Admission::Full => panic!("there is room"),
            }
        }
        assert_eq!(admitted, 10);
        // Of the twenty that the broker admits at once, ten are left for others.
        let free = (0..20).take_while(|_| quotas.throttle(0, now).is_zero()).count();
        assert_eq!(free, 10);
    }

    #[tokio::test]
    async fn waits_for_a_slot() {
        let quotas = quotas(|o| o.max_connections = 1);
        let (first, _) = admitted(quotas.admit(0, IP, Instant::now()));
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
