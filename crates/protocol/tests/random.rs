//! Properties over random input: what is written is read back, and nothing that is read panics.

use std::collections::BTreeMap;

use bytes::BytesMut;
use eruca_protocol::body::{self, *};
use eruca_protocol::{FrameDecoder, HeaderEncoding, Language, RemotingCommand};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn command() -> impl Strategy<Value = RemotingCommand> {
    let encoding = prop_oneof![Just(HeaderEncoding::Json), Just(HeaderEncoding::Binary)];
    let numbers = (any::<i16>(), 0..=13u8, any::<i16>(), any::<i32>(), any::<i32>());
    // An empty remark is none in binary form.
    let remark = proptest::option::of("\\PC{1,40}");
    let fields = vec(("[a-zA-Z]{1,12}", any::<String>()), 0..20);
    (encoding, numbers, remark, fields, vec(any::<u8>(), 0..200)).prop_map(
        |(encoding, (code, language, version, opaque, flag), remark, fields, body)| RemotingCommand {
            code: i32::from(code),
            language: Language::from_number(language),
            version: i32::from(version),
            opaque,
            flag,
            remark,
            ext_fields: fields.iter().map(|(name, value)| (&**name, &**value)).collect(),
            encoding,
            body: body.into(),
        },
    )
}

/// Text that is nearly JSON, so that reading goes beyond the first byte.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("null"),
        Just("0"),
        Just("-1"),
        Just("1.5"),
        Just("true"),
        Just("\\u0001"),
        Just("\\ud83d"),
        Just("\"topicConfigTable\""),
        Just("\"dataVersion\""),
        Just("\"brokerAddrs\""),
        Just("\"offsetTable\""),
        Just("\"queueDatas\""),
        Just("\"brokerDatas\""),
        Just("\"counter\""),
        Just("\"extFields\""),
        Just("\"code\""),
        Just("{\"brokerName\":\"b\",\"queueId\":0,\"topic\":\"T\"}"),
        Just("é"),
        Just(" "),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn read_all(bytes: &[u8]) {
    drop(body::from_json::<TopicRouteData>(bytes));
    drop(body::from_json::<RegisterBrokerBody>(bytes));
    drop(body::from_json::<HeartbeatData>(bytes));
    drop(body::from_json::<ConsumeStats>(bytes));
    drop(body::from_json::<ConsumerRunningInfo>(bytes));
    drop(body::from_json::<ConsumerOffsetSerializeWrapper>(bytes));
    drop(body::from_json::<SubscriptionGroupWrapper>(bytes));
    drop(body::from_json::<LiteSubscriptionCtlRequestBody>(bytes));
    drop(RegisterBrokerBody::decode(bytes, true, 513));
}

proptest! {
    #[test]
    fn a_command_that_is_written_is_read_back(command in command()) {
        let mut out = BytesMut::new();
        command.encode(&mut out).expect("a frame that can be written");
        prop_assert_eq!(FrameDecoder::default().decode(&mut out), Ok(Some(command)));
        prop_assert!(out.is_empty());
    }

    #[test]
    fn random_bytes_are_read_or_refused_as_frames(bytes in vec(any::<u8>(), 0..200), encoding in 0..2u8) {
        drop(FrameDecoder::default().decode(&mut BytesMut::from(&bytes[..])));
        let mut frame = BytesMut::from(&(4 + bytes.len() as u32).to_be_bytes()[..]);
        frame.extend_from_slice(&(u32::from(encoding) << 24 | bytes.len() as u32).to_be_bytes());
        frame.extend_from_slice(&bytes);
        drop(FrameDecoder::default().decode(&mut frame));
    }

    #[test]
    fn a_frame_with_one_changed_byte_is_read_or_refused(command in command(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut out = BytesMut::new();
        command.encode(&mut out).expect("a frame that can be written");
        let at = at.index(out.len());
        out[at] = byte;
        drop(FrameDecoder::default().decode(&mut out));
    }

    #[test]
    fn text_that_is_nearly_json_is_read_or_refused(text in nearly_json()) {
        read_all(text.as_bytes());
        read_all(format!("{{{text}}}").as_bytes());
    }

    #[test]
    fn random_bytes_are_read_or_refused_as_bodies(bytes in vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn texts_and_tables_that_are_written_are_read_back(
        texts in btree_map(any::<String>(), any::<String>(), 0..8),
        offsets in btree_map(any::<i32>(), any::<i64>(), 0..8),
    ) {
        let kv = KVTable { table: texts };
        for written in [body::to_json(&kv), body::to_standard_json(&kv), body::to_json_pretty(&kv)] {
            prop_assert_eq!(body::from_json(&written), Ok(kv.clone()));
        }
        let delays = DelayOffsetSerializeWrapper { offset_table: offsets, data_version: None };
        for written in [body::to_json(&delays), body::to_standard_json(&delays), body::to_json_pretty(&delays)] {
            prop_assert_eq!(body::from_json(&written), Ok(delays.clone()));
        }
    }

    #[test]
    fn registrations_that_are_compressed_are_read_back(
        topics in btree_map("[a-zA-Z0-9_%-]{1,20}", (0..99i32, 0..99i32, 0..8i32), 0..20),
        counter: i64,
    ) {
        let mut registration = RegisterBrokerBody::default();
        let wrapper = &mut registration.topic_config_serialize_wrapper;
        wrapper.data_version.counter = counter;
        wrapper.topic_config_table = topics
            .into_iter()
            .map(|(name, (read_queue_nums, write_queue_nums, perm))| {
                let attributes = BTreeMap::from([("+message.type".to_owned(), "a \"b\"".to_owned())]);
                let topic_name = name.clone();
                (name, TopicConfig { topic_name, read_queue_nums, write_queue_nums, perm, attributes, ..TopicConfig::default() })
            })
            .collect();
        let bytes = registration.encode_compressed();
        let read = RegisterBrokerBody::decode(&bytes, true, 513);
        prop_assert_eq!(read.expect("a registration"), registration);
    }
}
