//! Prints what it costs to read a `SEND_MESSAGE_V2` of a Java client and to write its answer.
//!
//! `cargo run --release -p eruca-protocol --example hot_path`

use std::borrow::Borrow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use eruca_protocol::request::{SendMessageRequest, SendMessageResponse};
use eruca_protocol::{FrameDecoder, HeaderEncoding, RemotingCommand, ResponseCode};

const HEADER: &str = concat!(
    r#"{"code":310,"extFields":{"a":"gp_batch","b":"GBatchCQ","c":"TBW102","d":"4","e":"0","f":"0","#,
    r#""g":"1795415329133","h":"0","i":"colour\u0001blue\u0002KEYS\u0001bcq-single\u0002UNIQ_KEY\u0001"#,
    r#"FD00000000000000000000000000000213AC30946E0972AFE16D001C\u0002WAIT\u0001true\u0002TAGS\u0001TagS\u0002"#,
    r#"n\u00015\u0002","j":"0","k":"false","m":"false","n":"broker-a"},"flag":0,"language":"JAVA","opaque":114,"#,
    r#""serializeTypeCurrentRPC":"JSON","version":513}"#
);
/// Frames that one read of a busy connection brings.
const FRAMES_PER_READ: u32 = 10;
const READS_PER_ROUND: u32 = 100;
/// The best round counts: the others were disturbed.
const ROUNDS: u32 = 300;

fn main() {
    let mut frame = BytesMut::new();
    frame.put_u32(4 + HEADER.len() as u32 + 1024);
    frame.put_u32(HEADER.len() as u32);
    frame.put_slice(HEADER.as_bytes());
    frame.put_bytes(b'x', 1024);

    let decoder = FrameDecoder::default();
    let request = decoder.decode(&mut frame.clone()).expect("a frame").expect("a whole frame");
    let binary = RemotingCommand { encoding: HeaderEncoding::Binary, ..request.clone() };
    let mut binary_frame = BytesMut::new();
    binary.encode(&mut binary_frame).expect("a frame that can be written");

    measure_read("frame, JSON header", &frame, |command| {
        black_box(command);
    });
    measure_read("frame, JSON header, and typed header", &frame, |command| {
        black_box(SendMessageRequest::decode_any(&command).expect("a header"));
    });
    measure_read("frame, binary header, and typed header", &binary_frame, |command| {
        black_box(SendMessageRequest::decode_any(&command).expect("a header"));
    });

    let response = SendMessageResponse {
        msg_id: "7F0000010000806C000000000016E651".to_owned(),
        queue_id: 1,
        queue_offset: 1_000_010,
        transaction_id: Some("FD000000000000000000000000000002441930946E0972B9D3610006".to_owned()),
        ..SendMessageResponse::default()
    };
    measure_write("answer, JSON header: typed header and frame", || answer(&request, &response));
    measure_write("answer, binary header: typed header and frame", || answer(&binary, &response));
    let made = answer(&request, &response);
    measure_write("answer, JSON header: frame alone", || &made);
}

fn answer(request: &RemotingCommand, response: &SendMessageResponse) -> RemotingCommand {
    let mut reply = request.reply(ResponseCode::SUCCESS);
    reply.ext_fields.push("MSG_REGION", "DefaultRegion");
    reply.ext_fields.push("TRACE_ON", "true");
    eruca_protocol::HeaderFields::encode_to(response, &mut reply.ext_fields);
    reply
}

fn measure_read(what: &str, frame: &[u8], mut then: impl FnMut(RemotingCommand)) {
    let decoder = FrameDecoder::default();
    let mut input = BytesMut::new();
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let mut spent = Duration::ZERO;
        for _ in 0..READS_PER_ROUND {
            input.reserve(frame.len() * FRAMES_PER_READ as usize);
            (0..FRAMES_PER_READ).for_each(|_| input.put_slice(frame));
            let start = Instant::now();
            while let Some(command) = decoder.decode(black_box(&mut input)).expect("a frame") {
                then(command);
            }
            spent += start.elapsed();
        }
        best = best.min(spent);
    }
    print("read", what, best);
}

fn measure_write<C: Borrow<RemotingCommand>>(what: &str, mut make: impl FnMut() -> C) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..READS_PER_ROUND {
            out.clear();
            for _ in 0..FRAMES_PER_READ {
                make().borrow().encode(black_box(&mut out)).expect("a frame that can be written");
            }
        }
        best = best.min(start.elapsed());
    }
    print("write", what, best);
}

fn print(verb: &str, what: &str, best: Duration) {
    println!("{:>6} ns  {verb} {what}", best.as_nanos() / u128::from(READS_PER_ROUND * FRAMES_PER_READ));
}
