//! Verdicts of the Java filter (`interop/filter/Verdicts.java`, RocketMQ 5.5.0) on random expressions and messages: ours are the
//! same. `JAVA_VERDICTS` names a file of more of them.

use std::fmt::Write;

use eruca_filter::{Problem, SqlError, SqlFilter, Truth};

/// Our verdict, in Java's letters.
fn verdict(expression: &str, properties: &str) -> Result<char, SqlError> {
    let filter = SqlFilter::compile(expression)?;
    Ok(match filter.evaluate(properties.as_bytes()) {
        Truth::True => 'T',
        Truth::False => 'F',
        Truth::Unknown => 'N',
        Truth::Error => 'E',
    })
}

/// Undoes `Verdicts.escape`.
fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(4);
        let code = u32::from_str_radix(code, 16).expect("four hexadecimal digits");
        plain.push(char::from_u32(code).expect("no surrogates are among the texts"));
        plain.push_str(rest);
    }
    plain
}

fn compare(lines: &str) -> usize {
    let (mut differences, mut count) = (String::new(), 0);
    for line in lines.lines() {
        let fields: Vec<String> = line.split('\t').map(unescape).collect();
        let [java, properties, expression] = &fields[..] else { panic!("not three fields: {line}") };
        let ours = verdict(expression, properties);
        let same = match &ours {
            Ok(ours) => java.starts_with(*ours),
            // Java leaves unread what comes after a whole expression.
            Err(SqlError::At { problem: Problem::Trailing { .. }, .. }) => true,
            Err(_) => java == "R",
        };
        if !same {
            writeln!(differences, "Java {java}, ours {ours:?}: {expression:?} on {properties:?}")
                .expect("a string takes all");
        }
        count += 1;
    }
    assert!(differences.is_empty(), "{differences}");
    count
}

#[test]
fn verdicts_are_those_of_java() {
    assert!(compare(include_str!("data/java-5.5.0.txt")) > 1000);
}

#[test]
fn more_verdicts_are_those_of_java() {
    let Ok(path) = std::env::var("JAVA_VERDICTS") else { return };
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    println!("{} verdicts are the same", compare(&lines));
}
