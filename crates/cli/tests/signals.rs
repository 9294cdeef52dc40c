//! A node is told to stop by signals, at any time.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What the node logs when it is told to stop by `signal` as soon as it has logged `line`; it must end well.
fn log_when_stopped_at(line: &str, signal: Signal) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let mut node = Command::new(env!("CARGO_BIN_EXE_ottla"))
        .args(["server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override"])
        .arg(format!("log.dirs={}", dir.path().join("data").display()))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the node starts");
    let pid = Pid::from_child(&node);
    let mut stderr = BufReader::new(node.stderr.take().expect("piped"));
    let mut log = String::new();
    while !log.contains(line) {
        assert_ne!(
            stderr.read_line(&mut log).expect("UTF-8"),
            0,
            "the node ended before it logged {line:?}:\n{log}"
        );
    }
    kill_process(pid, signal).expect("the node lives");
    stderr.read_to_string(&mut log).expect("UTF-8");
    let status = node.wait().expect("an end");
    assert!(status.success(), "{status}, after\n{log}");
    log
}

#[test]
fn a_node_that_is_still_starting_stops_cleanly() {
    // The first thing a new node does, long before it listens.
    let log = log_when_stopped_at("not found, creating it", Signal::TERM);
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
}

#[test]
fn a_node_stops_cleanly_as_soon_as_it_listens() {
    for signal in [Signal::TERM, Signal::INT] {
        log_when_stopped_at("listening", signal);
    }
}

#[test]
fn a_node_that_serves_stops_cleanly() {
    log_when_stopped_at("ready", Signal::TERM);
}
