#![no_main]

use bytes::BytesMut;
use eruca_protocol::{FrameDecoder, RemotingCommand, request::SendMessageRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let decoder = FrameDecoder::new(1 << 20);
    let mut input = BytesMut::from(data);
    while let Ok(Some(command)) = decoder.decode(&mut input) {
        let _ = SendMessageRequest::decode_any(&command);
        written_is_read_back(&command);
    }
});

fn written_is_read_back(command: &RemotingCommand) {
    let mut out = BytesMut::new();
    // What is read can be too long to be written: lone bytes become three, names may have 32 to 64 KiB.
    if command.encode(&mut out).is_ok() {
        let again = FrameDecoder::new(usize::MAX).decode(&mut out);
        let mut expected = command.clone();
        if command.encoding == eruca_protocol::HeaderEncoding::Binary {
            expected.remark = expected.remark.filter(|remark| !remark.is_empty());
        }
        assert_eq!(again, Ok(Some(expected)));
    }
}
