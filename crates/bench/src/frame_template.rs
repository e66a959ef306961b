//! Bytes with places of fixed width that change from one use to the next.

/// Where a value stands in a template. All values of one place have the same width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    at: usize,
    len: usize,
}

impl Place {
    /// The place in which `low` and `high` differ, two encodings of the same thing with values all of whose bytes
    /// differ. `None` where they differ in length or not at all.
    pub(crate) fn between(low: &[u8], high: &[u8]) -> Option<Place> {
        let differs = |(a, b): (&u8, &u8)| a != b;
        if low.len() != high.len() {
            return None;
        }
        let at = low.iter().zip(high).position(differs)?;
        let end = low.iter().zip(high).rposition(differs)? + 1;
        Some(Place { at, len: end - at })
    }

    /// This place in bytes before which `len` others were put.
    pub(crate) fn behind(self, len: usize) -> Place {
        Place { at: self.at + len, ..self }
    }

    fn slice(self, bytes: &mut [u8]) -> &mut [u8] {
        bytes.get_mut(self.at..self.at + self.len).unwrap_or_default()
    }

    /// Writes `value` with leading zeros; digits that do not fit are dropped.
    pub(crate) fn put_decimal(self, bytes: &mut [u8], value: u64) {
        let mut rest = value;
        for digit in self.slice(bytes).iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// Writes `value` in upper-case hexadecimal digits with leading zeros.
    pub(crate) fn put_hex(self, bytes: &mut [u8], value: u64) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut rest = value;
        for digit in self.slice(bytes).iter_mut().rev() {
            *digit = DIGITS[(rest & 15) as usize];
            rest >>= 4;
        }
    }

    /// Writes `value` as big-endian bytes.
    pub(crate) fn put_bytes(self, bytes: &mut [u8], value: i32) {
        let value = value.to_be_bytes();
        if self.len == value.len() {
            self.slice(bytes).copy_from_slice(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_where_two_encodings_differ() {
        assert_eq!(Place::between(b"id=000;", b"id=999;"), Some(Place { at: 3, len: 3 }));
        assert_eq!(Place::between(b"same", b"same"), None);
        assert_eq!(Place::between(b"id=9;", b"id=10;"), None);
    }

    #[test]
    fn values_keep_the_width_of_their_place() {
        let mut bytes = *b"<000> <0000>";
        let (decimal, hex) = (Place { at: 1, len: 3 }, Place { at: 7, len: 4 });
        decimal.put_decimal(&mut bytes, 7);
        hex.put_hex(&mut bytes, 0xBEEF);
        assert_eq!(&bytes, b"<007> <BEEF>");
        decimal.put_decimal(&mut bytes, 12_345);
        hex.put_hex(&mut bytes, 1);
        assert_eq!(&bytes, b"<345> <0001>");
    }

    #[test]
    fn a_place_outside_of_the_bytes_is_left_alone() {
        let mut bytes = *b"ab";
        Place { at: 1, len: 2 }.put_decimal(&mut bytes, 1);
        Place { at: 0, len: 2 }.put_bytes(&mut bytes, 1);
        assert_eq!(&bytes, b"ab");
    }
}
