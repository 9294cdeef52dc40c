//! `codec_proof SAMPLES ANSWER`: reads every sample that Kafka's own classes wrote, and writes it again.
//!
//! The file's layout is described in `tests/compat/java/codec/CodecProof.java`.

#[path = "../tests/registry/mod.rs"]
mod registry;

use std::error::Error;
use std::fs;

use bytes::{Buf, BufMut, Bytes};

const MAGIC: &[u8] = b"OTTLACP1";

struct Sample {
    name: String,
    version: i16,
    seed: i64,
    body: Bytes,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(samples), Some(answer)) = (args.next(), args.next()) else {
        return Err("usage: codec_proof SAMPLES ANSWER, with SAMPLES written by CodecProof.java".into());
    };
    let mut input = Bytes::from(fs::read(&samples)?);
    if !input.starts_with(MAGIC) {
        return Err(format!("{samples} does not begin with OTTLACP1").into());
    }
    input.advance(MAGIC.len());
    let mut out = MAGIC.to_vec();
    let (mut same, mut different) = (0u32, 0u32);
    while input.has_remaining() {
        let sample = read(&mut input)?;
        let again = registry::reencode(&sample.name, sample.version, sample.body.clone());
        if again.as_ref().is_ok_and(|again| *again == sample.body) {
            same += 1
        } else {
            different += 1
        }
        write(&mut out, &sample, again.map_err(|why| format!("{why:?}")));
    }
    fs::write(&answer, out)?;
    println!("{same} samples come out as they went in, {different} do not");
    if different > 0 { Err(format!("{different} samples differ").into()) } else { Ok(()) }
}

fn read(input: &mut Bytes) -> Result<Sample, Box<dyn Error>> {
    let name_len = usize::from(input.try_get_u16()?);
    let name = String::from_utf8(take(input, name_len)?.to_vec())?;
    let version = input.try_get_i16()?;
    let seed = input.try_get_i64()?;
    let body_len = usize::try_from(input.try_get_i32()?)?;
    Ok(Sample { name, version, seed, body: take(input, body_len)? })
}

fn take(input: &mut Bytes, len: usize) -> Result<Bytes, Box<dyn Error>> {
    if len > input.len() { Err("the file of samples is cut short".into()) } else { Ok(input.split_to(len)) }
}

fn write(out: &mut Vec<u8>, sample: &Sample, again: Result<Bytes, String>) {
    out.put_u16(sample.name.len() as u16);
    out.put_slice(sample.name.as_bytes());
    out.put_i16(sample.version);
    out.put_i64(sample.seed);
    let put = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.put_i32(bytes.len() as i32);
        out.put_slice(bytes);
    };
    match again {
        Ok(bytes) => put(out, &bytes),
        Err(why) => {
            out.put_i32(-1);
            put(out, why.as_bytes());
        }
    }
}
