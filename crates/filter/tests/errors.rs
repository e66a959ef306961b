//! What a user reads whose expression is refused, and the limits.

use eruca_filter::{DEPTH_MAX, LEN_MAX_BYTES, PROPERTIES_MAX, Problem, SqlError, SqlFilter};

fn error(expression: &str) -> String {
    SqlFilter::compile(expression).expect_err(expression).to_string()
}

fn problem(expression: &str) -> Problem {
    match SqlFilter::compile(expression).expect_err("it is wrong") {
        SqlError::At { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn errors_point_at_the_place() {
    for (expression, expected) in [
        (
            "a > 5 AND",
            "at character 10: expected a property, a value, NOT, +, - or '(', found the end; it reads: a > 5 AND[here]",
        ),
        (
            "a > 5 b < 3",
            "at character 7: the expression ends before 'b': join conditions by AND or OR; it reads: a > 5 [here]b < 3",
        ),
        (
            "a IN ('x', 5)",
            "at character 12: expected a text in single quotes, found '5'; it reads: a IN ('x', [here]5)",
        ),
        (
            "a = 'x",
            "at character 5: the text has no end: close it by ', and write '' for a quote in it; it reads: a = [here]'x",
        ),
        (
            "ü = 5",
            "at character 1: 'ü' has no meaning here: text stands between single quotes, names are of a-z, 0-9, _ and $; it reads: [here]ü = 5",
        ),
        (
            "a BETWEEN 5 AND 1",
            "at character 11: no value is between '5' and '1': write the lower one first; it reads: a BETWEEN [here]5 AND 1",
        ),
        (
            "a > 'x'",
            "at character 5: 'x' has no order: <, <=, >, >= and BETWEEN take numbers and properties; it reads: a > [here]'x'",
        ),
        (
            "a = NULL",
            "at character 5: NULL cannot be compared: write IS NULL or IS NOT NULL; it reads: a = [here]NULL",
        ),
        (
            "a AND 5",
            "at character 7: '5' is neither true nor false: compare it with something; it reads: a AND [here]5",
        ),
        (
            "a > 9223372036854775808",
            "at character 5: '9223372036854775808' is greater than 9223372036854775807, the greatest whole number: write it with a decimal point; it reads: a > [here]9223372036854775808",
        ),
        (
            "städte_und_länder = 'x' AND region = 'Süd' AND AND stadt = 'München' AND art = 'groß'",
            "at character 3: 'ä' has no meaning here: text stands between single quotes, names are of a-z, 0-9, _ and $; it reads: st[here]ädte_und_länder = 'x' AN…",
        ),
        (
            "region = 'Süd' AND land = 'Bayern' AND AND stadt = 'München' AND art = 'groß'",
            "at character 40: expected a property, a value, NOT, +, - or '(', found 'AND'; it reads: …AND land = 'Bayern' AND [here]AND stadt = 'München' AN…",
        ),
    ] {
        assert_eq!(error(expression), expected);
    }
}

#[test]
fn what_java_refuses_is_refused() {
    for expression in [
        "",
        " ",
        "5",
        "'x'",
        "a > TRUE",
        "a > (b = c)",
        "NOT 5",
        "NOT a > 5",
        "-a",
        "TRUE = 5",
        "5 IN ('x')",
        "a IN ()",
        "a NOT 5",
        "a IS 5",
        "0.0 = a",
        "a = 1e400",
        "a == 5",
        "a != 5",
        "a LIKE 'x'",
        "a = \"x\"",
        "a BETWEEN 'x' AND 'y'",
        "(a > 5",
    ] {
        assert!(SqlFilter::compile(expression).is_err(), "{expression}");
    }
    for expression in [
        "a",
        "TRUE",
        "NULL",
        "NOT a = 5",
        "a = b = c",
        "a NOT BETWEEN 5 AND 1",
        "a BETWEEN 5 AND -1",
        "a = --5",
        "a > 5 -- why",
        "-5 < a",
        "(a) IN ('x')",
        "a CONTAINS '' CONTAINS 'x'",
    ] {
        assert!(SqlFilter::compile(expression).is_ok(), "{expression}");
    }
}

#[test]
fn what_goes_beyond_a_limit_is_refused_and_named() {
    let long = format!("a = '{}'", "x".repeat(LEN_MAX_BYTES - 6));
    assert_eq!(long.len(), LEN_MAX_BYTES);
    assert!(SqlFilter::compile(&long).is_ok());
    assert_eq!(
        SqlFilter::compile(&format!("{long} ")).unwrap_err(),
        SqlError::TooLong { len: LEN_MAX_BYTES + 1 }
    );

    let brackets = |count| format!("{}a{}", "(".repeat(count), ")".repeat(count));
    assert!(SqlFilter::compile(&brackets(DEPTH_MAX)).is_ok());
    for deep in [
        brackets(DEPTH_MAX + 1),
        brackets(30_000),
        "(".repeat(LEN_MAX_BYTES),
        "NOT ".repeat(DEPTH_MAX + 1) + "a",
        "-".repeat(LEN_MAX_BYTES - 1) + "5",
        "a".to_owned() + &" = b".repeat(DEPTH_MAX + 1),
        "a".to_owned() + &" CONTAINS 'x'".repeat(4_000),
        "a".to_owned() + &" IS NULL".repeat(8_000),
    ] {
        assert_eq!(problem(&deep), Problem::TooDeep);
    }

    let many = |count: usize| (0..count).map(|n| format!("p{n} = 1")).collect::<Vec<_>>().join(" OR ");
    let most = SqlFilter::compile(&many(PROPERTIES_MAX)).unwrap();
    assert!(most.matches(b"p127\x011\x02") && !most.matches(b"p128\x011\x02"));
    assert_eq!(problem(&many(PROPERTIES_MAX + 1)), Problem::TooManyProperties);
    // Many conditions side by side are none too deep.
    let wide = vec!["a = 'x'"; 4_000].join(" OR ");
    assert!(SqlFilter::compile(&wide).unwrap().matches(b"a\x01x\x02"));
}
