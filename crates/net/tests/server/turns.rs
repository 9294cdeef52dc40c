//! Connections of one thread take turns.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use ottla_net::*;

use crate::support::*;

/// Requests of the loud one that arrive at once: some turns' work.
const LOUD: usize = 3_000;

/// What the thread's service and the test share.
#[derive(Default)]
struct Shared {
    /// The quiet one: its request leaves while the first of the loud ones is served.
    quiet: Mutex<Option<Client>>,
    /// Loud requests that were served.
    loud: AtomicUsize,
    /// How many of them before the quiet one's.
    before: OnceLock<usize>,
}

struct Turns(Arc<Shared>);

impl Service for Turns {
    fn call(&self, _: &Rc<ConnectionContext>, frame: Bytes) -> Reply {
        match frame[0] {
            b'l' => {
                if self.0.loud.fetch_add(1, Relaxed) == 0 {
                    self.0.quiet.lock().unwrap().as_mut().unwrap().send(b"q");
                }
                Reply::None
            }
            b'q' => {
                self.0.before.set(self.0.loud.load(Relaxed)).unwrap();
                Reply::Now(response(&frame))
            }
            _ => Reply::Now(response(&frame)),
        }
    }
}

#[test]
fn who_sends_much_does_not_keep_others_waiting() {
    let listeners = vec![ListenerOptions::plaintext("PLAINTEXT", "127.0.0.1", 0)];
    let shared = Arc::new(Shared::default());
    let service = shared.clone();
    let options = NetOptions { listeners, threads: 1, ..NetOptions::default() };
    let server = Server::start(options, move |_| Turns(service.clone())).unwrap();
    let address = server.addresses()[0].1;
    let mut loud = Client::connect(address);
    let mut quiet = Client::connect(address);
    for client in [&mut loud, &mut quiet] {
        assert_eq!(client.call(b"e"), b"e");
    }
    *shared.quiet.lock().unwrap() = Some(quiet);
    loud.send_raw(&[0, 0, 0, 1, b'l'].repeat(LOUD));
    wait_for("all requests", || shared.loud.load(Relaxed) == LOUD && shared.before.get().is_some());
    let before = *shared.before.get().unwrap();
    assert!(before < LOUD / 10, "{before} of {LOUD} requests of another connection were served first");
}

#[test]
fn threads_that_look_before_they_sleep_serve_and_stop_as_others() {
    let harness = Harness::with(|options| options.busy_poll = Duration::from_millis(2));
    let mut client = harness.connect();
    for _ in 0..100 {
        assert_eq!(client.call(b"hello"), b"hello");
    }
    client.send(b"l\x07");
    wait_for("the call", || harness.script.called() == 101);
    harness.script.open(7);
    assert_eq!(client.receive(), b"l\x07");
}
