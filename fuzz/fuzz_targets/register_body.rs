#![no_main]

use std::io::Write;

use eruca_protocol::body::RegisterBrokerBody;
use flate2::{Compression, write::ZlibEncoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = RegisterBrokerBody::decode(data, true, 513);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(data).expect("a Vec takes all");
    let compressed = zlib.finish().expect("a Vec takes all");
    let Ok(body) = RegisterBrokerBody::decode(&compressed, true, 513) else { return };
    // A topic named with blanks, or two with one name, do not come back; that they are read without a panic is all.
    let _ = RegisterBrokerBody::decode(&body.encode_compressed(), true, 513);
});
