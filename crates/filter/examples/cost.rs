//! What a filter costs for one message, beside a check of its tag: `cargo run --release -p eruca-filter --example cost`.

use std::{hint::black_box, time::Instant};

use eruca_filter::SqlFilter;
use eruca_message::{properties, tags_code};

const MESSAGES: usize = 4096;
const ROUNDS: usize = 500;

fn main() {
    let messages: Vec<Vec<u8>> = (0..MESSAGES).map(message).collect();
    let bytes: usize = messages.iter().map(Vec::len).sum();
    println!("{MESSAGES} messages, {} bytes of properties each", bytes / MESSAGES);
    let codes: Vec<i64> = (0..MESSAGES).map(|n| tags_code(Some(["TagA", "TagB", "TagC"][n % 3]))).collect();
    let wanted = tags_code(Some("TagA"));
    measure("tag: hash in the queue entry", || {
        codes.iter().filter(|code| **black_box(code) == wanted).count()
    });
    measure("tag: text in the record", || {
        messages.iter().filter(|p| properties::find(black_box(p), properties::TAGS) == Some(b"TagA")).count()
    });
    for expression in [
        "a > 5 AND b IN ('x','y')",
        "a > 5",
        "b IN ('x','y')",
        "TAGS = 'TagA'",
        "a BETWEEN 3 AND 7 OR b STARTSWITH 'x' AND missing IS NULL",
        "a > 5.5 AND b NOT CONTAINS 'z' AND UNIQ_KEY IS NOT NULL AND KEYS <> 'k'",
    ] {
        let filter = SqlFilter::compile(expression).expect("the expression is right");
        measure(expression, || messages.iter().filter(|p| filter.matches(black_box(p))).count());
    }
}

/// Properties as a Java producer sends them.
fn message(n: usize) -> Vec<u8> {
    let (a, b, tag) = (n % 10, ["x", "y", "z"][n % 3], ["TagA", "TagB", "TagC"][n % 3]);
    format!(
        "a\u{1}{a}\u{2}b\u{1}{b}\u{2}KEYS\u{1}order-{n:06}\u{2}UNIQ_KEY\u{1}7F0000010F4C18B4AAC27A1F{n:08X}\u{2}\
         WAIT\u{1}true\u{2}TAGS\u{1}{tag}\u{2}"
    )
    .into_bytes()
}

fn measure(what: &str, mut count: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    let mut matched = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        matched = black_box(count());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{:7.1} ns  {matched:5} match  {what}", best * 1e9 / MESSAGES as f64);
}
