#![no_main]

use eruca_message::{Record, RecordHeader, StoredMessage, encode_record, encoded_record_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = RecordHeader::peek(data);
    let _ = StoredMessage::decode_all(data);
    let Ok(record) = Record::decode(data) else { return };
    let _ = record.verify_crc();
    let mut out = Vec::new();
    if let Ok(len) = encode_record(&record.fields, &mut out) {
        assert_eq!(len, encoded_record_len(&record.fields));
        let again = Record::decode(&out).expect("a record that was written");
        assert_eq!(again.fields.body, record.fields.body);
        assert_eq!(again.fields.topic, record.fields.topic);
        assert_eq!(again.fields.properties, record.fields.properties);
    }
});
