//! Texts as numbers, by Java's rules.

/// As Java's `Integer.valueOf`: an optional sign and digits. (Digits of other scripts, which Java takes, are none here.)
pub(crate) fn int(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// As Java's `Long.valueOf`.
pub(crate) fn long(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// As Java's `Double.valueOf`: blanks around it, a sign, `NaN` and `Infinity`, an exponent, and `f` or `d` behind it.
/// (Its hexadecimal form is no number here.)
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    let is_blank = |byte: &&u8| **byte <= b' ';
    let start = text.iter().take_while(is_blank).count();
    let end = text.len() - text.iter().rev().take_while(is_blank).count();
    let text = std::str::from_utf8(text.get(start..end)?).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    // What is left of names that Rust's parser takes and Java does not.
    let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    digits.parse::<f64>().ok().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for (text, value) in
            [("5", Some(5)), ("+5", Some(5)), ("-0", Some(0)), ("-2147483648", Some(i32::MIN))]
        {
            assert_eq!(int(text.as_bytes()), value, "{text}");
        }
        for text in ["", "+", "-", "5.0", " 5", "5 ", "2147483648", "0x5", "5l", "٣"] {
            assert_eq!(int(text.as_bytes()), None, "{text}");
        }
        assert_eq!(long(b"2147483648"), Some(2_147_483_648));
        assert_eq!(int(b"\xff"), None);
    }

    #[test]
    fn floating_point_numbers() {
        for (text, value) in [
            ("5", 5.0),
            (" +5.5\t", 5.5),
            ("-.5e1", -5.0),
            ("5.", 5.0),
            ("1e400", f64::INFINITY),
            ("5f", 5.0),
            ("5.5D", 5.5),
            ("-Infinity", f64::NEG_INFINITY),
            ("4.9E-324", f64::from_bits(1)),
        ] {
            assert_eq!(double(text.as_bytes()), Some(value), "{text}");
        }
        assert!(double(b"NaN").is_some_and(f64::is_nan) && double(b"-NaN").is_some_and(f64::is_nan));
        assert!(double(b"-0.0").is_some_and(|zero| zero.is_sign_negative()));
        for text in
            ["", " ", ".", "e5", "5e", "inf", "infinity", "nan", "5fd", "f", "5_0", "--5", "0x1p3", "5 5"]
        {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
    }
}
