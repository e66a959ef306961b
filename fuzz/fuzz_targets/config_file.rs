#![no_main]

use eruca_config::Properties;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(properties) = Properties::parse(text) else { return };
    let again = Properties::parse(&properties.to_text()).expect("a file that was written");
    assert!(again.iter().eq(properties.iter()));
});
