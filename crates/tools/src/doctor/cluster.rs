//! Whether clients reach what the brokers advertise: the commonest trouble with Kafka there is.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use ottla_client::Admin;
use ottla_client::config::Properties;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::{Findings, Level};

const CONNECT: Duration = Duration::from_secs(5);

/// Asks the cluster for its brokers and connects to each address that it names.
pub async fn listeners(servers: &str, properties: &Properties, findings: &mut Findings) {
    let described = match Admin::from_properties(properties) {
        Ok(admin) => admin.describe_cluster(&Default::default()).await,
        Err(why) => Err(why),
    };
    let cluster = match described {
        Ok(cluster) => cluster,
        Err(why) => {
            let text = format!(
                "{servers} does not answer: {why}; is a node running there, and is this its listener?"
            );
            findings.add(Level::Wrong, "cluster", text);
            return;
        }
    };
    let id = cluster.cluster_id.as_deref().unwrap_or("unknown");
    findings.add(Level::Fine, "cluster", format!("{id}, {} brokers", cluster.nodes.len()));
    if cluster.controller.is_none() {
        let text = "there is none now: topics can't be created or changed until one is elected";
        findings.add(Level::Wrong, "controller", text);
    }
    let asked_is_local = servers.split(',').all(|server| is_local(&addresses(server)));
    for node in cluster.nodes {
        let address = format!("{}:{}", node.node.host, node.node.port);
        let who = format!("broker {} advertises {address}", node.node.id);
        if node.is_fenced {
            findings.add(
                Level::Wrong,
                "broker",
                format!("{who} and is fenced: it serves nobody until it is back"),
            );
            continue;
        }
        let (level, text) = look_at(&address, asked_is_local).await;
        findings.add(level, "listener", format!("{who}: {text}"));
    }
}

async fn look_at(address: &str, asked_is_local: bool) -> (Level, String) {
    let found = addresses(address);
    if found.is_empty() {
        return (
            Level::Wrong,
            "this machine can't resolve the name: fix DNS or advertised.listeners".to_owned(),
        );
    }
    if !asked_is_local && is_local(&found) {
        let text = "that is each client's own machine, so that others than the broker's can't connect: set \
                    advertised.listeners to a name that clients can reach";
        return (Level::Wrong, text.to_owned());
    }
    let start = Instant::now();
    match timeout(CONNECT, TcpStream::connect(found.as_slice())).await {
        Ok(Ok(_)) => (Level::Fine, format!("reached in {:.1} ms", start.elapsed().as_secs_f64() * 1000.0)),
        Ok(Err(why)) => {
            (Level::Wrong, format!("can't be reached: {why}; look at firewalls and advertised.listeners"))
        }
        Err(_) => {
            let text =
                format!("no answer in {} s: a firewall, or a wrong advertised.listeners", CONNECT.as_secs());
            (Level::Wrong, text)
        }
    }
}

fn addresses(server: &str) -> Vec<SocketAddr> {
    server.trim().to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

fn is_local(addresses: &[SocketAddr]) -> bool {
    !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_names_the_clients_own_machine_is_wrong() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address").to_string();
        assert_eq!(runtime.block_on(look_at(&address, true)).0, Level::Fine);
        let (level, text) = runtime.block_on(look_at(&address, false));
        assert!(level == Level::Wrong && text.contains("advertised.listeners"));
        drop(listener);
        assert_eq!(runtime.block_on(look_at(&address, true)).0, Level::Wrong);
        assert_eq!(runtime.block_on(look_at("no port", true)).0, Level::Wrong);
    }
}
