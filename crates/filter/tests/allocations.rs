//! An evaluation allocates nothing: every allocation of this binary is counted.

use allocation_counter::measure;
use eruca_filter::{SqlFilter, Truth};

/// Kinds of conditions, by names and by values of all kinds; many properties; texts that are numbers and some that are not.
const EXPRESSIONS: [&str; 29] = [
    "a > 5 AND b IN ('x','y')",
    "a > 5",
    "a >= 5.5 OR a < -3",
    "a = 7",
    "a <> '7'",
    "a = 7L AND c = 2.5",
    "a BETWEEN 3 AND 9",
    "a NOT BETWEEN 3 AND c",
    "a BETWEEN c AND d",
    "b IN ('x')",
    "b NOT IN ('x', 'y', 'z', 'a longer text than fits anywhere by itself')",
    "b CONTAINS 'x'",
    "b NOT CONTAINS 'a longer text than fits anywhere by itself'",
    "text STARTSWITH 'the'",
    "text ENDSWITH 'dog' AND text NOT ENDSWITH 'cat'",
    "text CONTAINS 'it''s'",
    "missing IS NULL",
    "missing IS NOT NULL OR b IS NOT NULL",
    "NOT (a > 5 AND NOT b = 'x')",
    "flag = TRUE",
    "flag <> FALSE OR flag IS NULL",
    "TRUE AND (a > 5)",
    "a > b",
    "b > 5",
    "huge > 5",
    "huge = 123456789012345678901234567890.5",
    "-a < 5",
    "a > 1 AND c > 1 AND d > 1 AND b = 'x' AND text = 't' AND flag = 'f' AND huge > 1 AND g = 1 AND h = 1 AND i = 1",
    "TAGS = 'TagA' AND KEYS = 'order-1'",
];

/// Properties as a producer sends them.
fn messages() -> Vec<Vec<u8>> {
    let one = |a: &str, b: &str, more: &str| {
        format!("a\u{1}{a}\u{2}b\u{1}{b}\u{2}TAGS\u{1}TagA\u{2}KEYS\u{1}order-1\u{2}{more}").into_bytes()
    };
    vec![
        Vec::new(),
        one("7", "x", "c\u{1}2.5\u{2}d\u{1}1e3\u{2}flag\u{1}true\u{2}"),
        one("-4", "a longer text than fits anywhere by itself", "text\u{1}the quick brown dog, it's\u{2}"),
        one(
            "no number",
            "5",
            "huge\u{1}123456789012345678901234567890\u{2}g\u{1}1\u{2}h\u{1}1\u{2}i\u{1}1\u{2}",
        ),
        one(
            "6.25",
            "",
            "huge\u{1}99999999999999999999999999999999999999999999999999999999.5\u{2}text\u{1}\u{2}",
        ),
        // Bytes that are no text.
        [&one("9", "y", "")[..], b"c\x01\xFF\xFE\x02"].concat(),
    ]
}

#[test]
fn an_evaluation_allocates_nothing() {
    let messages = messages();
    let mut evaluated = 0;
    let mut matched = 0;
    for expression in EXPRESSIONS {
        let filter = SqlFilter::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        for message in &messages {
            let mut truth = Truth::Unknown;
            let info = measure(|| truth = filter.evaluate(message));
            assert_eq!(
                info.count_total,
                0,
                "{expression} of {:?}: {truth:?}",
                String::from_utf8_lossy(message)
            );
            evaluated += 1;
            matched += usize::from(truth == Truth::True);
        }
    }
    assert!(evaluated > 150 && matched > 20, "{matched} of {evaluated} matched");
    let counted = measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(counted.count_total, 1, "allocations are counted");
}
