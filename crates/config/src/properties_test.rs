use proptest::prelude::*;

use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    let properties = Properties::parse(text).unwrap();
    properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What `java.util.Properties` makes of these lines (its documentation's own examples among them).
#[test]
fn tricky_lines_read_as_in_java() {
    let cases = [
        ("Truth = Beauty", "Truth", "Beauty"),
        (" Truth:Beauty", "Truth", "Beauty"),
        ("Truth                    :Beauty", "Truth", "Beauty"),
        (
            "fruits                           apple, banana, pear, \\\n      cantaloupe, watermelon, \\\n   kiwi, mango",
            "fruits",
            "apple, banana, pear, cantaloupe, watermelon, kiwi, mango",
        ),
        ("cheeses", "cheeses", ""),
        ("a==b", "a", "=b"),
        ("a : = b", "a", "= b"),
        ("a\\=b\\:c\\ d = e", "a=b:c d", "e"),
        ("path=C\\:\\\\temp\\q", "path", "C:\\tempq"),
        ("u=\\u00e9\\uD83D\\uDE00", "u", "é😀"),
        ("t=\\ttab\\nline\\rret\\fform", "t", "\ttab\nline\rret\u{c}form"),
        ("v=trailing blanks  ", "v", "trailing blanks  "),
        ("v=even\\\\\nnext=1", "v", "even\\"),
        ("v=odd\\\r\n\t next", "v", "oddnext"),
        ("v=a\\\n\nw=2", "v", "a"),
        ("v=a\\\n# no comment", "v", "a# no comment"),
        ("\\\n# a comment\nv=1", "v", "1"),
        ("v=end\\", "v", "end"),
        ("\t\u{c} v\t=\tx", "v", "x"),
        ("v=1\rw=2", "v", "1"),
        ("=x", "", "x"),
        ("#c\\\nv=1", "v", "1"),
        ("! c\nv#=1", "v#", "1"),
    ];
    for (text, key, value) in cases {
        assert_eq!(Properties::parse(text).unwrap().get(key), Some(value), "{text:?}");
    }
}

#[test]
fn the_last_of_a_key_wins_and_is_listed_once() {
    assert_eq!(pairs("a=1\nb=2\na=3\n"), [("b".into(), "2".into()), ("a".into(), "3".into())]);
}

#[test]
fn bad_escapes_are_refused_with_their_line() {
    assert_eq!(Properties::parse("a=1\nb=\\u12g4").unwrap_err(), ParseError::MalformedEscape { line: 2 });
    assert_eq!(Properties::parse("b=\\u12").unwrap_err(), ParseError::MalformedEscape { line: 1 });
    let lone = ParseError::LoneSurrogate { line: 1, unit: 0xD83D };
    assert_eq!(Properties::parse("b=\\uD83Dx").unwrap_err(), lone);
    assert_eq!(Properties::parse("b=\\uD83D\\u0041").unwrap_err(), lone);
}

#[test]
fn rewriting_keeps_comments_order_and_untouched_lines() {
    let text = "# head\n\n a : 1\n! why\nb = two \\\n   lines\r\nc=3";
    let mut properties = Properties::parse(text).unwrap();
    assert_eq!(properties.to_text(), text);
    properties.set("a", "1");
    assert_eq!(properties.to_text(), text, "the same value changes nothing");
    properties.set("b", " x=y\\");
    properties.set("new key", "v");
    assert_eq!(
        properties.to_text(),
        "# head\n\n a : 1\n! why\nb=\\ x=y\\\\\nc=3\nnew\\ key=v\n",
        "a changed line is rewritten, a new one added on a line of its own"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_latin1() {
    assert_eq!(Properties::parse_bytes(b"a=\xe9").unwrap().get("a"), Some("é"));
    assert_eq!(Properties::parse_bytes("\u{feff}a=é".as_bytes()).unwrap().get("a"), Some("é"));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(entries in proptest::collection::vec((".{0,12}", ".{0,12}"), 0..8)) {
        let properties: Properties = entries.iter().map(|(k, v)| (k, v)).collect();
        let read = Properties::parse(&properties.to_text()).unwrap();
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), properties.iter().collect::<Vec<_>>());
    }

    #[test]
    fn any_text_parses_or_is_refused_and_rewrites_unchanged(text in "[ab=:#!\\\\ \t\r\nu0-9]{0,60}") {
        if let Ok(properties) = Properties::parse(&text) {
            prop_assert_eq!(properties.to_text(), text);
        }
    }
}
