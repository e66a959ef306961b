#![no_main]

use eruca_filter::SqlFilter;
use libfuzzer_sys::fuzz_target;

// Up to the first line feed stands an expression, behind it the properties of a message.
fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (expression, properties) = data.split_at(end);
    if let Ok(filter) = SqlFilter::compile(&String::from_utf8_lossy(expression)) {
        filter.evaluate(properties);
    }
});
