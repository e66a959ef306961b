//! The properties that an expression asks for, and their values in a message.

use eruca_message::properties::{NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR};
use memchr::{memchr, memchr_iter};

/// Names, each once; their numbers are their places.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: Vec<Box<str>>,
    /// Bit `n` is set where a name begins with the byte `n % 64`: most properties of a message are none of them.
    first_bytes: u64,
}

impl Names {
    /// The number of `name`, a new one where it was not known; `None` where there would be more than `max`.
    pub(crate) fn number(&mut self, name: &str, max: usize) -> Option<u8> {
        if let Some(known) = self.names.iter().position(|known| **known == *name) {
            return u8::try_from(known).ok();
        }
        let number = u8::try_from(self.names.len()).ok().filter(|number| usize::from(*number) < max)?;
        self.first_bytes |= bit(name.as_bytes());
        self.names.push(name.into());
        Some(number)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The names in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Puts the values of the properties in encoded `properties` into `values`, by the numbers of their names. As in Java
    /// the last one counts where a name occurs twice, and one without a value is none.
    pub(crate) fn look_up<'a>(&self, properties: &'a [u8], values: &mut [Option<&'a [u8]>]) {
        let mut start = 0;
        for end in memchr_iter(PROPERTY_SEPARATOR, properties) {
            self.take(properties.get(start..end).unwrap_or_default(), values);
            start = end + 1;
        }
        self.take(properties.get(start..).unwrap_or_default(), values);
    }

    fn take<'a>(&self, property: &'a [u8], values: &mut [Option<&'a [u8]>]) {
        if self.first_bytes & bit(property) == 0 {
            return;
        }
        let Some(separator) = memchr(NAME_VALUE_SEPARATOR, property) else { return };
        let (Some(name), Some(value)) = (property.get(..separator), property.get(separator + 1..)) else {
            return;
        };
        if value.is_empty() {
            return;
        }
        for (known, place) in self.names.iter().zip(values) {
            if known.as_bytes() == name {
                *place = Some(value);
                return;
            }
        }
    }
}

fn bit(text: &[u8]) -> u64 {
    text.first().map_or(0, |first| 1 << (first % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_java_finds() {
        let mut names = Names::default();
        let numbers = ["a", "b", "a", "ab"].map(|name| names.number(name, 3));
        assert_eq!(numbers, [Some(0), Some(1), Some(0), Some(2)]);
        assert_eq!(names.number("c", 3), None);
        let mut values = [None; 3];
        names.look_up(b"a\x011\x02ab\x01\x02\x01x\x02b\x02a\x012\x01x\x02ab\x013", &mut values);
        assert_eq!(values, [Some(&b"2\x01x"[..]), None, Some(&b"3"[..])]);
    }
}
