//! File ranges in responses.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use crate::support::*;

pub fn with_file(harness: &Harness, content: &[u8]) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let file = Arc::new(file);
    *harness.script.file.lock().unwrap() = Some(file.clone());
    file
}

pub fn request(ranges: &[(u32, u32)]) -> Vec<u8> {
    let mut request = b"f".to_vec();
    for (position, len) in ranges {
        request.extend_from_slice(&position.to_be_bytes());
        request.extend_from_slice(&len.to_be_bytes());
    }
    request
}

pub fn expected(content: &[u8], ranges: &[(u32, u32)]) -> Vec<u8> {
    let mut bytes = b"<".to_vec();
    for (position, len) in ranges {
        bytes.extend_from_slice(&content[*position as usize..(*position + *len) as usize]);
        bytes.push(b'|');
    }
    bytes
}

fn check(harness: &Harness, content: &[u8], ranges: &[(u32, u32)]) {
    let mut client = harness.connect();
    let answer = client.call(&request(ranges));
    assert!(answer == expected(content, ranges), "{ranges:?}");
    assert_eq!(client.call(b"e after"), b"e after");
}

#[test]
fn small_and_large_ranges() {
    let harness = Harness::start();
    let content = Random(1).bytes(3_000_000);
    with_file(&harness, &content);
    check(&harness, &content, &[(0, 10)]);
    check(&harness, &content, &[(17, 65_535)]);
    check(&harness, &content, &[(17, 65_536)]);
    check(&harness, &content, &[(100, 2_900_000)]);
    check(&harness, &content, &[(0, 0), (5, 5)]);
    let many: Vec<(u32, u32)> = (0..200).map(|i| (i * 14_000, 14_000)).collect();
    check(&harness, &content, &many);
    let mixed: Vec<(u32, u32)> =
        (0..40).map(|i| (i * 1000, if i % 3 == 0 { 600_000 } else { 30_000 })).collect();
    check(&harness, &content, &mixed);
}

#[test]
fn ranges_that_are_not_in_the_page_cache() {
    let harness = Harness::start();
    let content = Random(2).bytes(3_000_000);
    let file = with_file(&harness, &content);
    let evict = || {
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    };
    evict();
    check(&harness, &content, &[(1_000_000, 20_000)]);
    evict();
    check(&harness, &content, &[(0, 3_000_000)]);
    evict();
    check(&harness, &content, &[(0, 1000), (2_000_000, 700_000), (500_000, 1000), (2_900_000, 100_000)]);
    println!("cold reads: {}", harness.snapshot().cold_reads);
}

#[test]
fn a_file_that_became_shorter_closes_the_connection() {
    let harness = Harness::start();
    let content = Random(3).bytes(1_000_000);
    let file = with_file(&harness, &content);
    for ranges in [
        &[(0u32, 1000u32)][..],
        &[(0, 500_000)],
        &[(0, 1000), (200_000, 10)],
        &[(0, 700), (500_000, 100_000)],
    ] {
        file.set_len(500).unwrap();
        let mut client = harness.connect();
        client.send_raw(&[frame(b"e1"), frame(&request(ranges)), frame(b"e2")].concat());
        assert_eq!(client.receive(), b"e1");
        let rest = client.receive_to_end();
        assert!(rest.len() < 1200, "{ranges:?} {}", rest.len());
        assert!(!rest.ends_with(b"e2"));
        let mut file = &*file;
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&content).unwrap();
    }
    check(&harness, &content, &[(0, 500_000)]);
}

#[test]
fn a_slow_reader_of_files() {
    let harness = Harness::with(|o| o.threads = 1);
    let content = Random(4).bytes(2_000_000);
    with_file(&harness, &content);
    let ranges = [(0u32, 2_000_000u32), (10, 50_000), (0, 2_000_000)];
    let mut slow = harness.connect();
    for _ in 0..10 {
        slow.send(&request(&ranges));
    }
    wait_for("a blocked output", || {
        let before = harness.snapshot().bytes_out;
        let mut other = harness.connect();
        assert_eq!(other.call(b"e"), b"e");
        before > 0
    });
    // The output is blocked by the first response, so the later requests have not been called.
    let calls = harness.script.calls.lock().unwrap().iter().filter(|c| c[0] == b'f').count();
    assert!(calls < 10, "{calls}");
    for _ in 0..10 {
        assert!(slow.receive() == expected(&content, &ranges));
    }
}
