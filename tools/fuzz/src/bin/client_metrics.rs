//! What clients push of themselves: figures as OpenTelemetry's protocol buffers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ottla_protocol::otlp::each_point;

fuzz_target!(|data: &[u8]| {
    let mut points = 0;
    let read = each_point(data, |point| {
        points += 1;
        assert!(point.value.is_finite());
        assert!(point.name.len() <= data.len() && point.attributes.len() <= data.len());
    });
    assert!(points <= data.len(), "{points} figures in {} bytes: {read:?}", data.len());
});
