//! Tag hashes: what a ConsumeQueue entry keeps of a message's tag.

/// Java's `String.hashCode`: `h = 31*h + c` over UTF-16 code units, wrapping in 32 bits.
pub fn java_hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The `tagsCode` of a ConsumeQueue entry: the tag's hash, sign extended; 0 for no tag.
pub fn tags_code(tag: Option<&str>) -> i64 {
    tag.map_or(0, |tag| i64::from(java_hash_code(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_equals_javas() {
        assert_eq!(tags_code(Some("tagA")), 3_552_231);
        assert_eq!(tags_code(None), 0);
        assert_eq!(tags_code(Some("")), 0);
        assert_eq!(java_hash_code("\u{1F680}rocket"), {
            let mut hash = 0i32;
            for unit in "\u{1F680}rocket".encode_utf16() {
                hash = hash.wrapping_mul(31).wrapping_add(i32::from(unit));
            }
            hash
        });
        assert!(tags_code(Some("a long tag that overflows")) != 0);
    }
}
