//! Frames of Java peers: decoded, compared, encoded, the same bytes.

use bytes::BytesMut;
use eruca_protocol::{FrameDecoder, HeaderEncoding, RemotingCommand};

use crate::capture::{Golden, frames};

fn decode(golden: &Golden) -> RemotingCommand {
    let mut input = golden.frame();
    let command = FrameDecoder::default().decode(&mut input);
    let command = command.unwrap_or_else(|error| panic!("{}: {error}", golden.origin));
    assert!(input.is_empty(), "{}", golden.origin);
    command.unwrap_or_else(|| panic!("{}: not whole", golden.origin))
}

fn assert_header(golden: &Golden, command: &RemotingCommand) {
    let Golden { origin, header, .. } = golden;
    let number = |name: &str| header[name].as_i64().unwrap_or_default();
    assert_eq!(i64::from(command.code), number("code"), "{origin}");
    assert_eq!(i64::from(command.flag), number("flag"), "{origin}");
    assert_eq!(i64::from(command.opaque), number("opaque"), "{origin}");
    assert_eq!(i64::from(command.version), number("version"), "{origin}");
    match header["language"].as_str() {
        Some(name) => assert_eq!(command.language.name(), name, "{origin}"),
        None => assert_eq!(i64::from(command.language.number()), number("language"), "{origin}"),
    }
    assert_eq!(command.remark.as_deref(), header["remark"].as_str(), "{origin}");
    let fields = header["extFields"].as_object().cloned().unwrap_or_default();
    assert_eq!(command.ext_fields.len(), fields.len(), "{origin}");
    for (name, value) in fields {
        assert_eq!(command.ext_fields.get(&name), value.as_str(), "{origin}: {name}");
    }
    assert_eq!(command.encoding == HeaderEncoding::Binary, golden.is_binary, "{origin}");
    assert_eq!(&command.body[..], &golden.body[..], "{origin}");
}

/// Java writes an empty object for ext fields that are there and empty; we leave it out, as for ones that are not
/// there. Nobody can tell them apart after reading.
fn without_empty_ext_fields(golden: &Golden) -> BytesMut {
    let text = String::from_utf8(golden.header_bytes.clone());
    let (false, Ok(text)) = (golden.is_binary, text) else { return golden.frame() };
    let header_bytes = text.replace("\"extFields\":{},", "").into_bytes();
    Golden {
        header_bytes,
        header: golden.header.clone(),
        body: golden.body.clone(),
        origin: String::new(),
        ..*golden
    }
    .frame()
}

#[test]
fn frames_of_java_peers_are_read_and_written_to_the_same_bytes() {
    for golden in frames() {
        let command = decode(&golden);
        assert_header(&golden, &command);
        let mut out = BytesMut::new();
        command.encode(&mut out).expect("a frame that can be written");
        let expected = without_empty_ext_fields(&golden);
        assert_eq!(out, expected, "{}: {}", golden.origin, String::from_utf8_lossy(&out));
    }
}

#[test]
fn a_frame_of_a_java_peer_that_is_cut_anywhere_is_awaited() {
    for golden in frames().into_iter().take(20) {
        let frame = golden.frame();
        for len in 0..frame.len() {
            let mut input = BytesMut::from(&frame[..len]);
            assert_eq!(
                FrameDecoder::default().decode(&mut input),
                Ok(None),
                "{} cut to {len}",
                golden.origin
            );
            assert_eq!(input.len(), len, "{} cut to {len}", golden.origin);
        }
    }
}
