use super::*;

const MAX: u32 = 100 * 1024 * 1024;

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// Plays the socket: offers `input` in reads as large as the buffer allows, until it is used up; returns the frames.
fn feed(buffer: &mut ReceiveBuffer, pool: &mut ReceivePool, mut input: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while !input.is_empty() {
        let bytes = buffer.prepare(pool);
        let spare = bytes.capacity() - bytes.len();
        assert!(spare > 0);
        let n = spare.min(input.len());
        bytes.extend_from_slice(&input[..n]);
        input = &input[n..];
        buffer.learn(n, spare);
        while let Some(size) = buffer.frame_size().unwrap() {
            match buffer.split_frame(size) {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
    }
    buffer.park(pool);
    frames
}

#[test]
fn frames_are_cut_wherever_the_reads_end() {
    let payloads: Vec<Vec<u8>> = (0..60usize).map(|i| vec![i as u8; 1 + (i * i * 37) % 70_000]).collect();
    let stream: Vec<u8> = payloads.iter().flat_map(|p| frame(p)).collect();
    for step in [1usize, 3, 7, 1448, 16 * 1024, 100_000, stream.len()] {
        let (mut buffer, mut pool) = (ReceiveBuffer::new(MAX), ReceivePool::default());
        let mut frames = Vec::new();
        for part in stream.chunks(step) {
            frames.extend(feed(&mut buffer, &mut pool, part));
        }
        assert_eq!(frames, payloads, "step {step}");
        assert_eq!(buffer.len(), 0);
        assert_eq!(buffer.bytes.capacity(), 0, "a connection at rest holds no buffer");
    }
}

#[test]
fn a_claimed_size_reserves_nothing() {
    let (mut buffer, mut pool) = (ReceiveBuffer::new(MAX), ReceivePool::default());
    feed(&mut buffer, &mut pool, &MAX.to_be_bytes());
    assert!(buffer.bytes.capacity() <= PARTIAL_MIN, "{}", buffer.bytes.capacity());
    let mut sent = 4;
    let part = [7u8; 1000];
    while sent < 2_000_000 {
        assert!(feed(&mut buffer, &mut pool, &part).is_empty());
        sent += part.len();
        let bound = (sent * GROWTH).max(CHUNK).next_multiple_of(64 * 1024);
        assert!(buffer.bytes.capacity() <= bound, "{} of {bound} after {sent}", buffer.bytes.capacity());
    }
}

#[test]
fn small_frames_of_several_connections_share_one_allocation() {
    let mut pool = ReceivePool::default();
    let (mut one, mut two) = (ReceiveBuffer::new(MAX), ReceiveBuffer::new(MAX));
    let a = feed(&mut one, &mut pool, &frame(b"first")).remove(0);
    let b = feed(&mut two, &mut pool, &frame(b"second")).remove(0);
    let distance = (b.as_ptr() as usize).wrapping_sub(a.as_ptr() as usize);
    assert!(distance < CHUNK, "{distance}");
    assert_eq!((&a[..], &b[..]), (&b"first"[..], &b"second"[..]));
}

#[test]
fn memory_is_used_again_when_its_frames_are_gone() {
    let mut pool = ReceivePool::default();
    let mut buffer = ReceiveBuffer::new(MAX);
    let payload = frame(&[1; 10_000]);
    let first = feed(&mut buffer, &mut pool, &payload).remove(0).as_ptr();
    for _ in 0..100 {
        let again = feed(&mut buffer, &mut pool, &payload).remove(0).as_ptr();
        assert_eq!(first, again);
    }
    assert!(pool.free.len() <= 2);
}

#[test]
fn a_large_frame_of_a_known_connection_is_received_in_place() {
    let (mut buffer, mut pool) = (ReceiveBuffer::new(MAX), ReceivePool::default());
    let large = frame(&vec![9; 1_000_000]);
    feed(&mut buffer, &mut pool, &large);
    // From the second on, the buffer is right from the first byte, however the bytes come.
    let start = buffer.prepare(&mut pool).as_ptr();
    let frames = feed(&mut buffer, &mut pool, &large);
    assert_eq!(frames[0].as_ptr() as usize, start as usize + SIZE_LEN);
}

#[test]
fn expectation_falls_again() {
    let (mut buffer, mut pool) = (ReceiveBuffer::new(MAX), ReceivePool::default());
    feed(&mut buffer, &mut pool, &frame(&vec![9; 1_000_000]));
    assert!(buffer.expected >= 1_000_000);
    for _ in 0..1000 {
        feed(&mut buffer, &mut pool, &frame(b"small"));
    }
    assert_eq!(buffer.expected, CHUNK);
}

#[test]
fn an_unused_pool_is_emptied() {
    let (mut buffer, mut pool) = (ReceiveBuffer::new(MAX), ReceivePool::default());
    feed(&mut buffer, &mut pool, &frame(b"x"));
    pool.trim();
    assert!(!pool.free.is_empty());
    pool.trim();
    assert!(pool.free.is_empty());
}

#[test]
fn the_pool_is_bounded() {
    let mut pool = ReceivePool::default();
    let mut kept = Vec::new();
    let mut buffer = ReceiveBuffer::new(MAX);
    for _ in 0..100 {
        kept.extend(feed(&mut buffer, &mut pool, &frame(&[3; 12_000])));
    }
    assert!(pool.free.len() <= POOL_MAX);
    assert!(kept.iter().all(|frame| frame.iter().all(|byte| *byte == 3)));
}
