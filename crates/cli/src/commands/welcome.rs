//! What a person sees when a node has started.

use std::fmt::Write;
use std::net::SocketAddr;

/// What the screen shows.
pub struct Welcome<'a> {
    /// The cluster's id.
    pub cluster_id: &'a str,
    /// The node's id.
    pub node_id: i32,
    /// Where the node listens, by listener.
    pub listeners: &'a [(String, SocketAddr)],
    /// Where `/metrics` is served, if it is.
    pub http: Option<SocketAddr>,
    /// Its log directories.
    pub log_dirs: &'a [String],
}

impl Welcome<'_> {
    /// The screen.
    pub fn screen(&self) -> String {
        let mut out = format!("\n  Ottla {}, speaks Apache Kafka 4.3\n\n", env!("CARGO_PKG_VERSION"));
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(out, "  {name:<12}{value}");
        };
        row("cluster", self.cluster_id);
        row("node", &self.node_id.to_string());
        for (at, (listener, address)) in self.listeners.iter().enumerate() {
            row(if at == 0 { "listeners" } else { "" }, &format!("{listener}://{address}"));
        }
        if let Some(address) = self.http {
            row("metrics", &format!("http://{address}/metrics"));
        }
        for (at, dir) in self.log_dirs.iter().enumerate() {
            row(if at == 0 { "data" } else { "" }, dir);
        }
        let server = self.bootstrap_server();
        let _ = write!(
            out,
            "\n  Try it in another terminal:\n\
             \x20   ottla topics --bootstrap-server {server} --create --topic quickstart\n\
             \x20   ottla console-producer --bootstrap-server {server} --topic quickstart\n\
             \x20   ottla console-consumer --bootstrap-server {server} --topic quickstart --from-beginning\n\
             \x20   ottla top --bootstrap-server {server}\n\n\
             \x20 Ctrl-C stops the node.\n\n"
        );
        out
    }

    /// An address by which a client on this machine reaches the node.
    fn bootstrap_server(&self) -> String {
        match self.listeners.first() {
            Some((_, address)) if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
            Some((_, address)) => address.to_string(),
            None => "localhost:9092".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_says_how_to_try_it() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let listeners = [
            ("PLAINTEXT".to_owned(), address("0.0.0.0:9092")),
            ("INTERNAL".to_owned(), address("10.0.0.1:9093")),
        ];
        let log_dirs = ["/a".to_owned(), "/b".to_owned()];
        let http = Some(address("127.0.0.1:9404"));
        let welcome =
            Welcome { cluster_id: "id", node_id: 1, listeners: &listeners, http, log_dirs: &log_dirs };
        let screen = welcome.screen();
        for line in [
            "  cluster     id\n",
            "  node        1\n",
            "  listeners   PLAINTEXT://0.0.0.0:9092\n              INTERNAL://10.0.0.1:9093\n",
            "  metrics     http://127.0.0.1:9404/metrics\n",
            "  data        /a\n              /b\n",
            "    ottla topics --bootstrap-server localhost:9092 --create --topic quickstart\n",
        ] {
            assert!(screen.contains(line), "{line}{screen}");
        }
    }
}
