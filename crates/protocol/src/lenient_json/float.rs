//! Floating point numbers in Java's notation.

/// As Java's `Double.toString`: `0.0`, `1.5E-4`, `1.0E7`. Not-a-number and infinities are `null` in JSON.
pub(super) fn float_into(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        out.extend_from_slice(format!("{value:?}").as_bytes());
        return;
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.extend_from_slice(digits.as_bytes());
    if !digits.contains('.') {
        out.extend_from_slice(b".0");
    }
    out.push(b'E');
    out.extend_from_slice(exponent.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_java_does() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e-3, "0.001"),
            (1.5e-4, "1.5E-4"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e21, "1.0E21"),
            (100.0, "100.0"),
            (1.1818181818181819, "1.1818181818181819"),
            (9_999_999.0, "9999999.0"),
            (f64::NAN, "null"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            float_into(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
