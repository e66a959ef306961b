//! Records: there and back, damaged, and as Java writes them.

use proptest::prelude::*;

use super::*;

const JAVA: &str = "0000006adaa320a75ba80bb200000003000000010000000000000005000000000000000900000000\
    00000000000003e80a000001000004d200000000000007d00a00000200002a9f000000020000000000000000\
    00000004626f64790154000a54414753017461674102";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn java_fields() -> RecordFields<'static> {
    RecordFields {
        topic: "T",
        queue_id: 3,
        flag: 1,
        sys_flag: 0,
        queue_offset: QueueOffset(5),
        log_offset: LogOffset(9),
        born_timestamp: Timestamp(1000),
        born_host: "10.0.0.1:1234".parse().unwrap(),
        store_timestamp: Timestamp(2000),
        store_host: "10.0.0.2:10911".parse().unwrap(),
        reconsume_times: 2,
        prepared_transaction_offset: 0,
        body: b"body",
        properties: b"TAGS\x01tagA\x02",
    }
}

#[test]
fn javas_bytes_both_ways() {
    let bytes = unhex(JAVA);
    let record = Record::decode(&bytes).unwrap();
    assert_eq!(record.fields, java_fields());
    record.verify_crc().unwrap();
    let mut encoded = Vec::new();
    assert_eq!(encode_record(&record.fields, &mut encoded), Ok(106));
    assert_eq!(encoded, bytes);
}

#[test]
fn long_topics_take_version_two_and_ipv6_takes_its_bits() {
    let topic = format!("%RETRY%{}", "g".repeat(125));
    let fields = RecordFields {
        topic: &topic,
        born_host: "[::1]:5".parse().unwrap(),
        store_host: "[fe80::2]:6".parse().unwrap(),
        ..java_fields()
    };
    let mut encoded = Vec::new();
    encode_record(&fields, &mut encoded).unwrap();
    let record = Record::decode(&encoded).unwrap();
    assert_eq!(RecordHeader::peek(&encoded).unwrap().magic, MAGIC_V2);
    assert_eq!(record.fields, RecordFields { sys_flag: 0x30, ..fields });
    patch_offsets(&mut encoded, QueueOffset(77), LogOffset(88), Timestamp(99));
    let patched = Record::decode(&encoded).unwrap().fields;
    assert_eq!((patched.queue_offset.0, patched.log_offset.0, patched.store_timestamp.0), (77, 88, 99));
    assert_eq!(patched.born_timestamp.0, 1000);
}

#[test]
fn properties_added_later_are_as_if_they_had_been_there() {
    for (before, after) in
        [("", "a\x01b\x02"), ("c\x01d\x02", "c\x01d\x02a\x01b\x02"), ("c\x01d", "c\x01d\x02a\x01b\x02")]
    {
        let (mut added, mut whole) = (Vec::new(), Vec::new());
        encode_record(&RecordFields { properties: before.as_bytes(), ..java_fields() }, &mut added).unwrap();
        encode_record(&RecordFields { properties: after.as_bytes(), ..java_fields() }, &mut whole).unwrap();
        append_properties(&mut added, b"a\x01b\x02").unwrap();
        assert_eq!(added, whole);
    }
    let mut full = Vec::new();
    encode_record(&RecordFields { properties: &[b'x'; 32_760], ..java_fields() }, &mut full).unwrap();
    let before = full.clone();
    let error = append_properties(&mut full, b"a\x01bcdefg\x02").unwrap_err();
    assert!(matches!(error, RecordError::PropertiesTooLong { len: 32_770, .. }), "{error}");
    assert_eq!(full, before);
}

#[test]
fn a_sector_that_is_missing_within_the_properties_is_found() {
    let properties = format!("KEYS\u{1}{}\u{2}", "k".repeat(1800));
    let fields = RecordFields { properties: properties.as_bytes(), ..java_fields() };
    let mut whole = Vec::new();
    encode_record(&fields, &mut whole).unwrap();
    assert_eq!(Record::decode(&whole).unwrap().verify_whole(), Ok(()));
    let start = whole.len() - properties.len();
    for lost in start..whole.len() - SECTOR_LEN {
        let mut bytes = whole.clone();
        bytes[lost..lost + SECTOR_LEN].fill(0);
        let torn = Err(RecordError::Torn { field: "properties" });
        assert_eq!(Record::decode(&bytes).unwrap().verify_whole(), torn, "{lost}");
    }
}

#[test]
fn a_changed_body_is_found() {
    let mut bytes = unhex(JAVA);
    bytes[88] ^= 1;
    assert!(matches!(Record::decode(&bytes).unwrap().verify_crc(), Err(RecordError::BadCrc { .. })));
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(&bytes);
    }

    #[test]
    fn any_damage_never_panics(at in 0usize..106, value: u8, cut in 0usize..107) {
        let mut bytes = unhex(JAVA);
        bytes[at] = value;
        let _ = Record::decode(&bytes[..cut.min(bytes.len())]).map(|record| record.verify_crc());
    }

    #[test]
    fn what_is_encoded_is_decoded(body in proptest::collection::vec(any::<u8>(), 0..500),
                                  topic in "[a-zA-Z]{1,200}", queue_id: i32, flag: i32) {
        let fields = RecordFields { body: &body, topic: &topic, queue_id, flag, ..java_fields() };
        let mut encoded = Vec::new();
        let len = encode_record(&fields, &mut encoded).unwrap();
        prop_assert_eq!(len, encoded.len());
        prop_assert_eq!(Record::decode(&encoded).unwrap().fields, fields);
    }
}
