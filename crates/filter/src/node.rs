//! What an expression is compiled to.

use memchr::memmem::Finder;

/// A part of a compiled expression.
#[derive(Debug)]
pub(crate) enum Node {
    /// A property, by its number in [`crate::names::Names`].
    Property(u8),
    /// No value.
    Null,
    Truth(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(Box<[u8]>),
    /// `-` before a condition. No value, but what is wrong with the condition counts.
    Nothing(Box<Node>),
    /// A property as a condition: `FALSE` where there is one, as its value is a text.
    IsTrue(u8),
    Or(Box<[Node]>),
    And(Box<[Node]>),
    Not(Box<Node>),
    Equal(Box<[Node; 2]>),
    IsNull(Box<Node>),
    Order(Relation, Box<[Node; 2]>),
    /// Value, low, high.
    Between {
        parts: Box<[Node; 3]>,
        not: bool,
    },
    In {
        property: u8,
        set: TextSet,
        not: bool,
    },
    Search(Box<Search>),
}

/// `<`, `<=`, `>` or `>=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A text looked for in a value.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) value: Node,
    pub(crate) needle: Needle,
    pub(crate) not: bool,
}

/// Where the text is looked for.
#[derive(Debug)]
pub(crate) enum Needle {
    Inside(Box<Finder<'static>>),
    AtStart(Box<[u8]>),
    AtEnd(Box<[u8]>),
}

/// Texts of an `IN`.
#[derive(Debug)]
pub(crate) struct TextSet(Box<[Box<[u8]>]>);

/// So many texts are looked at one after the other; in more of them is searched.
const LINEAR_MAX: usize = 8;

impl TextSet {
    /// A set of these texts.
    pub(crate) fn new(mut texts: Vec<Box<[u8]>>) -> Self {
        if texts.len() > LINEAR_MAX {
            texts.sort_unstable();
            texts.dedup();
        }
        TextSet(texts.into_boxed_slice())
    }

    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        match self.0.len() > LINEAR_MAX {
            true => self.0.binary_search_by(|known| (**known).cmp(text)).is_ok(),
            false => self.0.iter().any(|known| **known == *text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_any_size_know_their_texts() {
        for count in [1usize, 8, 9, 100] {
            let text = |number: usize| format!("text{}", number * 7 % 100).into_bytes().into_boxed_slice();
            let set = TextSet::new((0..count).map(text).chain([text(0)]).collect());
            assert!((0..count).all(|number| set.contains(&text(number))));
            assert!(!set.contains(b"text") && !set.contains(b"text100"));
        }
    }
}
