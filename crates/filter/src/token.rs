//! The words of an expression.
//!
//! Source: Java's `SelectorParser`. The longest word wins: `5l` is a number, `5lx` is `5l` and `x`, `007` is `0`, `0`
//! and `7`. Between words: blanks, `-- …` up to the end of the line, `/* … */`.

use crate::error::{Problem, SqlError};

/// A word and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) word: Word<'a>,
    pub(crate) at: usize,
}

/// Words; those of letters in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
    /// Digits, possibly with an `l` behind them.
    WholeNumber(&'a str),
    /// With a decimal point or an exponent.
    Number(&'a str),
    /// Between its quotes, `''` not yet replaced.
    Text(&'a str),
    /// A property.
    Name(&'a str),
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Open,
    Close,
    Comma,
    Plus,
    Minus,
    End,
}

const KEYWORDS: &[(&str, Word<'static>)] = &[
    ("NOT", Word::Not),
    ("AND", Word::And),
    ("OR", Word::Or),
    ("BETWEEN", Word::Between),
    ("IN", Word::In),
    ("TRUE", Word::True),
    ("FALSE", Word::False),
    ("NULL", Word::Null),
    ("IS", Word::Is),
    ("CONTAINS", Word::Contains),
    ("STARTSWITH", Word::StartsWith),
    ("ENDSWITH", Word::EndsWith),
];

/// Longer words are cut in errors.
const SHOWN_CHARS: usize = 40;

/// Splits an expression into words.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Lexer { text, at: 0 }
    }

    /// The next word; [`Word::End`] at the end, and ever after.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, SqlError> {
        self.skip_blanks()?;
        let at = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token { word: Word::End, at }) };
        let (word, len) = match first {
            '0'..='9' | '.' => number(rest).ok_or_else(|| self.unknown('.'))?,
            'a'..='z' | 'A'..='Z' | '_' | '$' => name(rest),
            '\'' => text(rest).ok_or_else(|| SqlError::at(self.text, at, Problem::UnclosedText))?,
            _ => symbol(rest).ok_or_else(|| self.unknown(first))?,
        };
        self.at += len;
        Ok(Token { word, at })
    }

    /// What an error shows of the word that begins at `at` and that was the last one.
    pub(crate) fn shown(&self, at: usize) -> String {
        let word = self.text.get(at..self.at).unwrap_or_default();
        if word.is_empty() {
            return "the end".to_owned();
        }
        let cut = if word.chars().nth(SHOWN_CHARS).is_some() { "…" } else { "" };
        let shown: String =
            word.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        match word.starts_with('\'') {
            true => format!("{shown}{cut}"),
            false => format!("'{shown}{cut}'"),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn unknown(&self, found: char) -> SqlError {
        SqlError::at(self.text, self.at, Problem::UnknownCharacter { found })
    }

    fn skip_blanks(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']).len();
            if blanks > 0 {
                self.at += blanks;
            } else if rest.starts_with("--") {
                // Without a line end they are two signs, as for Java.
                let Some(end) = rest.find(['\n', '\r']) else { return Ok(()) };
                self.at += end + 1;
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let end = comment.find("*/");
                let end = end.ok_or_else(|| SqlError::at(self.text, self.at, Problem::UnclosedComment))?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Length of an exponent at the start of `text`; 0 where there is none.
fn exponent(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let sign = usize::from(rest.starts_with(['+', '-']));
    match digits(rest.get(sign..).unwrap_or_default()) {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn number(text: &str) -> Option<(Word<'_>, usize)> {
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    let whole = digits(text);
    let mut len = whole;
    if tail(len).starts_with('.') {
        let fraction = digits(tail(len + 1));
        if whole == 0 && fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    len += exponent(tail(len));
    if len > whole {
        return Some((Word::Number(text.get(..len)?), len));
    }
    if text.starts_with('0') {
        return Some((Word::WholeNumber(text.get(..1)?), 1));
    }
    len += usize::from(tail(len).starts_with(['l', 'L']));
    Some((Word::WholeNumber(text.get(..len)?), len))
}

fn name(text: &str) -> (Word<'_>, usize) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let len = text.bytes().take_while(is_part).count();
    let name = text.get(..len).unwrap_or_default();
    let keyword = KEYWORDS.iter().find(|(keyword, _)| keyword.eq_ignore_ascii_case(name));
    (keyword.map_or(Word::Name(name), |(_, word)| *word), len)
}

/// A text up to the first quote that no other follows; where there is none, up to the last pair of quotes, as the longest
/// word that there is.
fn text(text: &str) -> Option<(Word<'_>, usize)> {
    let (mut at, mut end) = (1, None);
    while let Some(found) = text.get(at..)?.find('\'') {
        at += found;
        end = Some(at);
        if !text.get(at + 1..)?.starts_with('\'') {
            break;
        }
        at += 2;
    }
    let end = end?;
    Some((Word::Text(text.get(1..end)?), end + 1))
}

fn symbol(text: &str) -> Option<(Word<'static>, usize)> {
    const SYMBOLS: &[(&str, Word<'static>)] = &[
        ("<>", Word::NotEqual),
        (">=", Word::GreaterEqual),
        ("<=", Word::LessEqual),
        ("=", Word::Equal),
        (">", Word::Greater),
        ("<", Word::Less),
        ("(", Word::Open),
        (")", Word::Close),
        (",", Word::Comma),
        ("+", Word::Plus),
        ("-", Word::Minus),
    ];
    SYMBOLS.iter().find(|(symbol, _)| text.starts_with(symbol)).map(|(symbol, word)| (*word, symbol.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word<'_>> {
        let mut lexer = Lexer::new(text);
        let mut words = Vec::new();
        loop {
            match lexer.next().unwrap().word {
                Word::End => return words,
                word => words.push(word),
            }
        }
    }

    #[test]
    fn the_longest_word_wins() {
        use Word::{Name, Number, WholeNumber};
        assert_eq!(words("5l 5L 5lx"), [WholeNumber("5l"), WholeNumber("5L"), WholeNumber("5l"), Name("x")]);
        assert_eq!(
            words("0l 007"),
            [WholeNumber("0"), Name("l"), WholeNumber("0"), WholeNumber("0"), WholeNumber("7")]
        );
        assert_eq!(
            words("5. .5 5.e1 5E+10 5e 00.5"),
            [
                Number("5."),
                Number(".5"),
                Number("5.e1"),
                Number("5E+10"),
                WholeNumber("5"),
                Name("e"),
                Number("00.5")
            ]
        );
        assert_eq!(
            words("<>=<=>= <"),
            [Word::NotEqual, Word::Equal, Word::LessEqual, Word::GreaterEqual, Word::Less]
        );
        assert_eq!(words("NotAnd nOt"), [Name("NotAnd"), Word::Not]);
        assert_eq!(words("'a''b' ''"), [Word::Text("a''b"), Word::Text("")]);
    }

    #[test]
    fn comments_are_blanks() {
        assert_eq!(words("a -- b 'c\n/* d ** */b/***/-- x\r"), [Word::Name("a"), Word::Name("b")]);
        assert_eq!(words("--5"), [Word::Minus, Word::Minus, Word::WholeNumber("5")]);
        assert_eq!(Lexer::new("'a''b''c").next().unwrap().word, Word::Text("a''b"));
        for open in ["/* ", "/*/", "a 'b", "'a''", "a . b", "a;"] {
            let mut lexer = Lexer::new(open);
            assert!((0..3).any(|_| lexer.next().is_err()), "{open}");
        }
    }
}
