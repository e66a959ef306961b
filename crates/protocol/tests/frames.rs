//! Frames that Java peers do not send: of other clients, cut, wrong, and hostile.

use bytes::{BufMut, BytesMut};
use eruca_protocol::{
    ExtFields, FrameDecoder, FrameError, HeaderEncoding, Language, RemotingCommand, RequestCode, ResponseCode,
};

fn frame(number: u8, header: &[u8], body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u32((4 + header.len() + body.len()) as u32);
    frame.put_u32(u32::from(number) << 24 | header.len() as u32);
    frame.put_slice(header);
    frame.put_slice(body);
    frame
}

fn decode(number: u8, header: &[u8]) -> Result<RemotingCommand, FrameError> {
    FrameDecoder::default()
        .decode(&mut frame(number, header, b""))
        .map(|command| command.expect("a whole frame"))
}

fn json(header: &str) -> Result<RemotingCommand, FrameError> {
    decode(0, header.as_bytes())
}

#[test]
fn json_headers_are_read_in_any_order_and_with_numbers_among_the_fields() {
    let header = r#" { "x" : [ {"y" : null} ] , "version":"413",'opaque':7, extFields : { "queueId" : 3 , "ok": true,
        "none" : null, "deep":{"a":[1]}, "text":"a\u0001b\ud83d\ude00", },"flag":2,"language":"GO","code":105,
        "remark":null, "serializeTypeCurrentRPC":"JSON"} "#;
    let command = json(header).expect("a command");
    assert_eq!((command.code, command.version, command.opaque, command.flag), (105, 413, 7, 2));
    assert_eq!(command.language, Language::Go);
    assert_eq!(command.remark, None);
    let fields: Vec<_> = command.ext_fields.iter().collect();
    let deep = r#"{"a":[1]}"#;
    assert_eq!(fields, [("queueId", "3"), ("ok", "true"), ("deep", deep), ("text", "a\u{1}b\u{1F600}")]);
}

#[test]
fn a_json_header_of_nothing_has_javas_defaults() {
    let command = json("{}").expect("a command");
    assert_eq!((command.code, command.version, command.opaque, command.flag), (0, 0, 0, 0));
    assert_eq!(json(r#"{"language":"COBOL"}"#).expect("a command").language, Language::Other);
    assert_eq!(json(r#"{"language":9}"#).expect("a command").language, Language::Go);
}

#[test]
fn wrong_json_headers_are_refused_with_their_place() {
    let error = json(r#"{"code":"ten"}"#).expect_err("no number");
    assert_eq!(error.to_string(), "header: JSON needs the code, a number at byte 8, it has 'ten'");
    for header in
        ["", "[]", "{", r#"{"code":1"#, r#"{"code":1}x"#, r#"{"extFields":[]}"#, r#"{"code":99999999999}"#]
    {
        assert!(matches!(json(header), Err(FrameError::Json(_))), "{header}");
    }
}

#[test]
fn wrong_binary_headers_are_refused_with_what_they_lack() {
    let mut header = vec![0, 105, 12, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0];
    let lacks = |header: &[u8]| decode(1, header).expect_err("a header that ends").to_string();
    assert_eq!(
        lacks(&header[..12]),
        "header: code, language, version, opaque and flag needs 13 bytes, 12 are left"
    );
    assert_eq!(lacks(&header), "header: the remark needs 4 bytes, 0 are left");
    header.extend([0, 0, 0, 9, b'x']);
    assert_eq!(lacks(&header), "header: the remark needs 9 bytes, 1 are left");
    header.truncate(13);
    header.extend([0, 0, 0, 0, 0x80, 0, 0, 0]);
    assert_eq!(lacks(&header), "header: the ext fields needs -2147483648 bytes, 0 are left");
    header.truncate(17);
    header.extend([0, 0, 0, 5, 0, 9, b'k', 0, 0]);
    assert_eq!(lacks(&header), "header: an ext field's name needs 9 bytes, 3 are left");
}

#[test]
fn other_protocols_are_refused_at_their_first_bytes() {
    let decoder = FrameDecoder::default();
    let refused = |bytes: &[u8]| decoder.frame_len(bytes).expect_err("no frame");
    assert_eq!(refused(b"GET / HTTP/1.1\r\n"), FrameError::TooLong { len: 0x4745_5420, max: 16 << 20 });
    assert!(matches!(refused(&[0x16, 3, 1, 2, 0, 1]), FrameError::TooLong { .. }));
    assert_eq!(refused(&[0, 0, 0, 3]), FrameError::TooShort { len: 3 });
    assert_eq!(refused(&[0, 0, 0, 9, 7, 0, 0, 0]), FrameError::UnknownEncoding { number: 7 });
    assert_eq!(refused(&[0, 0, 0, 9, 0, 0, 0, 6]), FrameError::HeaderTooLong { header_len: 6, had: 5 });
    assert_eq!(decoder.frame_len(&[0, 0, 0]), Ok(None));
    assert_eq!(decoder.frame_len(&[0, 0, 0, 9, 0]), Ok(Some(13)));
}

#[test]
fn a_frame_of_exactly_the_limit_is_read() {
    let decoder = FrameDecoder::new(100);
    let mut fits = frame(0, b"{}", &[0; 94]);
    assert_eq!(decoder.decode(&mut fits).expect("a frame").expect("a whole one").body.len(), 94);
    let mut too_long = frame(0, b"{}", &[0; 95]);
    assert_eq!(decoder.decode(&mut too_long), Err(FrameError::TooLong { len: 101, max: 100 }));
}

#[test]
fn frames_back_to_back_are_taken_one_by_one() {
    let mut input = frame(0, br#"{"opaque":1}"#, b"a");
    input.extend_from_slice(&frame(0, br#"{"opaque":2}"#, b""));
    input.extend_from_slice(&[0, 0]);
    let decoder = FrameDecoder::default();
    let mut next =
        || decoder.decode(&mut input).expect("frames").map(|command| (command.opaque, command.body.len()));
    assert_eq!((next(), next(), next()), (Some((1, 1)), Some((2, 0)), None));
    assert_eq!(&input[..], [0, 0]);
}

#[test]
fn too_many_fields_are_refused_in_either_encoding() {
    let fields: Vec<String> = (0..1025).map(|n| format!("\"f{n}\":\"\"")).collect();
    let header = format!("{{\"extFields\":{{{}}}}}", fields.join(","));
    assert_eq!(json(&header), Err(FrameError::TooManyFields { limit: 1024 }));
    let command = RemotingCommand {
        ext_fields: (0..1025).map(|_| ("f", "")).collect::<ExtFields>(),
        encoding: HeaderEncoding::Binary,
        ..RemotingCommand::request_without_header(RequestCode::HEART_BEAT)
    };
    let mut out = BytesMut::new();
    command.encode(&mut out).expect("a frame");
    assert_eq!(FrameDecoder::default().decode(&mut out), Err(FrameError::TooManyFields { limit: 1024 }));
}

#[test]
fn codes_beyond_16_bits_are_cut_in_binary_headers_as_java_cuts_them() {
    let mut command = RemotingCommand::request_without_header(RequestCode::POP_MESSAGE);
    command.encoding = HeaderEncoding::Binary;
    let mut out = BytesMut::new();
    command.encode(&mut out).expect("a frame");
    let read = FrameDecoder::default().decode(&mut out).expect("a frame").expect("a whole one");
    assert_eq!(read.code, 3442);
}

#[test]
fn a_command_that_fits_no_frame_leaves_the_output_as_it_was() {
    let request = RemotingCommand::request_without_header(RequestCode::HEART_BEAT);
    let mut long_remark = request.reply_error(ResponseCode::SYSTEM_ERROR, "x".repeat(1 << 24));
    let mut out = BytesMut::from(&b"before"[..]);
    assert!(matches!(long_remark.encode(&mut out), Err(FrameError::Unwritable { part: "header", .. })));
    assert_eq!(&out[..], b"before");
    long_remark.remark = None;
    long_remark.encoding = HeaderEncoding::Binary;
    long_remark.ext_fields.push(&"n".repeat(40_000), "");
    assert_eq!(long_remark.encode(&mut out), Err(FrameError::NameTooLong { len: 40_000 }));
    assert_eq!(&out[..], b"before");
}
