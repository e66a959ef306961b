#![no_main]

use bytes::{BufMut, BytesMut};
use eruca_protocol::FrameDecoder;
use libfuzzer_sys::fuzz_target;

/// Number of the encoding in a frame.
const ENCODING: u32 = 0;

fuzz_target!(|header: &[u8]| {
    let mut frame = BytesMut::new();
    frame.put_u32(4 + header.len() as u32);
    frame.put_u32(ENCODING << 24 | header.len() as u32);
    frame.put_slice(header);
    if let Ok(command) = FrameDecoder::default().decode(&mut frame) {
        let command = command.expect("the frame is whole");
        let mut out = BytesMut::new();
        if command.encode(&mut out).is_ok() {
            assert_eq!(FrameDecoder::new(usize::MAX).decode(&mut out), Ok(Some(command)));
        }
    }
});
