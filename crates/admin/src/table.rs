//! Cells of the tables that commands print: as Java's `printf` and number formats write them.

/// The first `size` characters of `text`, as the Java tool cuts cells that are too long.
pub(crate) fn front_at_least(text: &str, size: usize) -> &str {
    match text.char_indices().nth(size) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// A floating-point number as Java's `Double.toString` writes it: at least one digit after the point, powers of ten
/// from 10,000,000 up and below 0.001.
pub(crate) fn double(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        let text = if value.is_nan() {
            "NaN"
        } else if value.is_infinite() {
            "Infinity"
        } else {
            "0.0"
        };
        return if value.is_sign_negative() && !value.is_nan() {
            format!("-{text}")
        } else {
            text.to_owned()
        };
    }
    if (1e-3..1e7).contains(&value.abs()) {
        let text = value.to_string();
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => scientific,
    }
}

/// A number with `digits` digits after the point as Java's `%.2f` writes it: the shortest decimal form is rounded,
/// halves away from zero.
pub(crate) fn fixed(value: f64, digits: usize) -> String {
    let text = value.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_half_or_more = fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5');
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    let mut number: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if is_half_or_more {
        add_one(&mut number);
    }
    let is_negative = value < 0.0 && number.iter().any(|digit| *digit != b'0');
    let point = number.len().saturating_sub(digits);
    let text: String = number.iter().map(|digit| char::from(*digit)).collect();
    let (whole, fraction) = text.split_at(point);
    let sign = if is_negative { "-" } else { "" };
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Adds one to the last of these decimal digits.
fn add_one(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit != b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

/// `permission` as the Java tool writes it: `RW-` for 6.
pub(crate) fn permission(perm: i32) -> String {
    let letter = |bit: i32, letter: char| if perm & bit == bit { letter } else { '-' };
    [letter(4, 'R'), letter(2, 'W'), letter(1, 'X')].iter().collect()
}

/// Names and values as Java prints a map: `{a=1, b=2}`.
pub(crate) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (2.0, "2.0"),
            (34.49970513072538, "34.49970513072538"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1.25e7, "1.25E7"),
            (9_999_999.0, "9999999.0"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn halves_are_rounded_as_java_rounds_them() {
        for (value, digits, text) in [
            (0.0, 2, "0.00"),
            (1.005, 2, "1.01"),
            (0.125, 2, "0.13"),
            (2.994_999, 2, "2.99"),
            (9.999, 2, "10.00"),
            (-0.001, 2, "0.00"),
            (-1.5, 0, "-2"),
            (1234.5, 1, "1234.5"),
            (0.19, 4, "0.1900"),
        ] {
            assert_eq!(fixed(value, digits), text);
        }
    }

    #[test]
    fn long_cells_are_cut_by_characters() {
        assert_eq!(front_at_least("häuser", 2), "hä");
        assert_eq!(front_at_least("ab", 2), "ab");
    }

    #[test]
    fn permissions_are_three_letters() {
        assert_eq!(permission(6), "RW-");
        assert_eq!(permission(4), "R--");
        assert_eq!(permission(7), "RWX");
        assert_eq!(permission(0), "---");
    }
}
