//! What was typed after a command's name, read by the rules of the Java tool's option parser.
//!
//! One or two dashes make no difference where a name is unambiguous: `-t T`, `-tT`, `-t=T`, `-topic T`, `--topic T`,
//! `--topic=T` and `--top T` all mean the same.

use std::str::FromStr;

use crate::{
    hint::closest,
    option::{Need, Opt},
};

/// Why the arguments of a command are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// No option has this name.
    #[error("unknown option '{typed}'{}", .hint.as_ref().map(|hint| format!(", did you mean '{hint}'?")).unwrap_or_default())]
    Unknown {
        /// As typed.
        typed: String,
        /// The closest option.
        hint: Option<String>,
    },
    /// Several options start with this.
    #[error("option '{typed}' is ambiguous: it could be {}", .candidates.join(" or "))]
    Ambiguous {
        /// As typed.
        typed: String,
        /// The options that it could be.
        candidates: Vec<String>,
    },
    /// The option needs a value.
    #[error("option {option} ({long}) needs a value")]
    ValueMissing {
        /// The option with its dash.
        option: String,
        /// Its long name.
        long: &'static str,
    },
    /// The option takes no value, but one was joined to it.
    #[error("option {option} takes no value, '{value}' was given to it")]
    ValueUnwanted {
        /// The option with its dash.
        option: String,
        /// The value.
        value: String,
    },
    /// Required options were not given.
    #[error("missing {}: {}", if .options.len() == 1 { "required option" } else { "required options" }, .options.join(", "))]
    Missing {
        /// The options, a choice as `-b or -c`.
        options: Vec<String>,
    },
    /// Two options exclude each other.
    #[error("options {first} and {second} exclude each other: give one of them")]
    Exclusive {
        /// The option that came first.
        first: String,
        /// The option that came second.
        second: String,
    },
    /// A value is not what the option takes.
    #[error("option {option} ({long}) is '{value}', it must be {expected}")]
    Invalid {
        /// The option with its dash.
        option: String,
        /// Its long name.
        long: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        expected: String,
    },
}

/// The options of one call and their values.
#[derive(Debug, Default)]
pub struct Arguments {
    given: Vec<(&'static Opt, String)>,
    /// Words that belong to no option. The Java tool ignores them without a word.
    pub surplus: Vec<String>,
}

impl Arguments {
    /// Reads `words` by the rules above; `options` is what the command takes.
    ///
    /// Where help is asked for, nothing else is required.
    pub fn parse(options: &[&'static Opt], words: &[String]) -> Result<Arguments, ArgumentError> {
        let mut parser = Parser { options, arguments: Arguments::default(), open: None, only_words: false };
        for word in words {
            parser.word(word)?;
        }
        parser.close()?;
        let arguments = parser.arguments;
        if !arguments.has("h") {
            arguments.check_required(options)?;
        }
        Ok(arguments)
    }

    /// Whether the option `key` (its short name, or the long one where it has no short one) was given.
    pub fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(opt, _)| opt.key() == key)
    }

    /// The value of option `key` without blanks around it. The first one counts.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.given.iter().find(|(opt, _)| opt.key() == key).map(|(_, value)| value.trim())
    }

    /// The value of an option that is required, hence given.
    pub fn required(&self, key: &str) -> &str {
        self.value(key).unwrap_or_default()
    }

    /// The value of option `key` as a number, or whatever `T` is; `expected` says what it must be.
    pub fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>, ArgumentError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => value.parse().map(Some).map_err(|_| self.invalid(key, expected)),
        }
    }

    /// The value of option `key` by Java's rule for booleans: `true` in any case is true, all else is false.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The error that says that option `key` must be `expected`.
    pub fn invalid(&self, key: &str, expected: &str) -> ArgumentError {
        let opt = self.given.iter().find(|(opt, _)| opt.key() == key);
        ArgumentError::Invalid {
            option: opt.map(|(opt, _)| opt.dashed()).unwrap_or_else(|| format!("-{key}")),
            long: opt.map(|(opt, _)| opt.long_typed()).unwrap_or_default(),
            value: self.value(key).unwrap_or_default().to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn check_required(&self, options: &[&'static Opt]) -> Result<(), ArgumentError> {
        let mut missing = Vec::new();
        let choices = || options.iter().filter(|opt| opt.need == Need::OneOf);
        if choices().next().is_some() && !choices().any(|opt| self.has(opt.key())) {
            missing.push(choices().map(|opt| opt.dashed()).collect::<Vec<_>>().join(" or "));
        }
        for opt in options.iter().filter(|opt| opt.need == Need::Required && !self.has(opt.key())) {
            missing.push(format!("{} ({})", opt.dashed(), opt.long_typed()));
        }
        if missing.is_empty() { Ok(()) } else { Err(ArgumentError::Missing { options: missing }) }
    }
}

struct Parser<'a> {
    options: &'a [&'static Opt],
    arguments: Arguments,
    /// The option that waits for its value.
    open: Option<&'static Opt>,
    /// After `--` nothing is an option.
    only_words: bool,
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> Result<(), ArgumentError> {
        if self.only_words {
            self.arguments.surplus.push(word.to_owned());
            return Ok(());
        }
        if let Some(opt) = self.open {
            if !self.looks_like_option(word) {
                self.open = None;
                self.arguments.given.push((opt, unquoted(word).to_owned()));
                return Ok(());
            }
            self.close()?;
        }
        match word {
            "--" => self.only_words = true,
            "-" => self.arguments.surplus.push(word.to_owned()),
            _ if word.starts_with('-') => self.option(word)?,
            _ => self.arguments.surplus.push(word.to_owned()),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ArgumentError> {
        match self.open.take() {
            None => Ok(()),
            Some(opt) => Err(ArgumentError::ValueMissing { option: opt.dashed(), long: opt.long_typed() }),
        }
    }

    /// A value may start with a dash (`-1`, `-a -order.type`) as long as no option is called so.
    fn looks_like_option(&self, word: &str) -> bool {
        let Some(name) = word.strip_prefix('-') else { return false };
        let name = name.strip_prefix('-').unwrap_or(name);
        if word.parse::<f64>().is_ok() || name.is_empty() {
            return word == "--";
        }
        let (name, _) = split_value(name);
        !self.matching(name).is_empty() || (!word.starts_with("--") && self.joined(name).is_some())
    }

    fn option(&mut self, word: &str) -> Result<(), ArgumentError> {
        let two_dashes = word.starts_with("--");
        let (name, value) = split_value(word.trim_start_matches('-'));
        let candidates = self.matching(name);
        match candidates.as_slice() {
            [opt] => self.given(opt, value),
            [] => match self.joined(name).filter(|_| !two_dashes) {
                Some((opt, _)) => {
                    let rest = word.trim_start_matches('-').get(opt.short.len()..).unwrap_or_default();
                    self.given(opt, Some(rest))
                }
                None => Err(self.unknown(word, name)),
            },
            several => Err(ArgumentError::Ambiguous {
                typed: word.to_owned(),
                candidates: several.iter().map(|opt| format!("--{}", opt.long_typed())).collect(),
            }),
        }
    }

    /// The options that `name` may mean: the one that is called so, else those whose long name starts with it.
    fn matching(&self, name: &str) -> Vec<&'static Opt> {
        let exact = |opt: &&&'static Opt| !name.is_empty() && (opt.short == name || opt.long_typed() == name);
        match self.options.iter().find(exact) {
            Some(opt) => vec![*opt],
            None if name.is_empty() => Vec::new(),
            None => self.options.iter().copied().filter(|opt| opt.long.starts_with(name)).collect(),
        }
    }

    /// An option whose one-letter name is followed by its value in the same word, as in `-tTopic`.
    fn joined<'n>(&self, name: &'n str) -> Option<(&'static Opt, &'n str)> {
        self.options.iter().find_map(|opt| {
            let rest = name.strip_prefix(opt.short)?;
            (opt.takes_value && opt.short.len() == 1 && !rest.is_empty()).then_some((*opt, rest))
        })
    }

    fn given(&mut self, opt: &'static Opt, value: Option<&str>) -> Result<(), ArgumentError> {
        let given = &self.arguments.given;
        if opt.need == Need::OneOf
            && let Some((first, _)) =
                given.iter().find(|(other, _)| other.need == Need::OneOf && *other != opt)
        {
            return Err(ArgumentError::Exclusive { first: first.dashed(), second: opt.dashed() });
        }
        match (opt.takes_value, value) {
            (true, None) => self.open = Some(opt),
            (true, Some(value)) => self.arguments.given.push((opt, unquoted(value).to_owned())),
            (false, None) => self.arguments.given.push((opt, String::new())),
            (false, Some(value)) => {
                return Err(ArgumentError::ValueUnwanted { option: opt.dashed(), value: value.to_owned() });
            }
        }
        Ok(())
    }

    fn unknown(&self, word: &str, name: &str) -> ArgumentError {
        let names = self.options.iter().map(|opt| opt.long_typed());
        let hint = closest(name, names).map(|long| format!("--{long}"));
        ArgumentError::Unknown { typed: word.to_owned(), hint }
    }
}

fn split_value(name: &str) -> (&str, Option<&str>) {
    match name.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (name, None),
    }
}

/// Quotes around the whole value are taken off, as the Java tool does.
fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .filter(|inner| !inner.contains('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::with_common_options;

    static OPTIONS: [Opt; 5] = [
        Opt::required("t", "topic", "topic name"),
        Opt::one_of("b", "brokerAddr", "a broker"),
        Opt::one_of("c", "clusterName", "a cluster"),
        Opt::flag("l", "list", "as a list"),
        Opt::value("e", "endTimestamp ", "the end"),
    ];

    fn parse(words: &str) -> Result<Arguments, ArgumentError> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&with_common_options(&OPTIONS), &words)
    }

    #[test]
    fn every_spelling_of_an_option_means_the_same() {
        for words in [
            "-t T -c C",
            "-tT -cC",
            "-t=T -c=C",
            "-topic T -clusterName C",
            "--topic T --clusterName C",
            "--topic=T --clusterName=C",
            "--top T --cl C",
            "-top T -cluster C",
        ] {
            let arguments = parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
            assert_eq!(arguments.value("t"), Some("T"), "{words}");
            assert_eq!(arguments.value("c"), Some("C"), "{words}");
            assert!(arguments.surplus.is_empty(), "{words}");
        }
    }

    #[test]
    fn a_long_name_with_a_blank_is_found_without_it() {
        assert_eq!(parse("-t T -b B --endTimestamp 5").unwrap().value("e"), Some("5"));
        assert_eq!(parse("-t T -b B --endTimestamp=5").unwrap().value("e"), Some("5"));
    }

    #[test]
    fn a_value_may_start_with_a_dash() {
        assert_eq!(parse("-t T -b B -e -1").unwrap().value("e"), Some("-1"));
        assert_eq!(parse("-t -x -b B").unwrap().value("t"), Some("-x"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = parse("-l").unwrap_err();
        assert_eq!(error.to_string(), "missing required options: -b or -c, -t (topic)");
        let error = parse("-b B -t -c C").unwrap_err();
        assert_eq!(error.to_string(), "option -t (topic) needs a value");
    }

    #[test]
    fn help_needs_nothing_else() {
        assert!(parse("-h").unwrap().has("h"));
        assert!(parse("--help").unwrap().has("h"));
    }

    #[test]
    fn a_choice_is_made_once() {
        let error = parse("-t T -b B -c C").unwrap_err();
        assert_eq!(error.to_string(), "options -b and -c exclude each other: give one of them");
    }

    #[test]
    fn unknown_options_get_a_hint() {
        let error = parse("-b B --tpoic T").unwrap_err();
        assert_eq!(error.to_string(), "unknown option '--tpoic', did you mean '--topic'?");
        assert_eq!(parse("-b B -z").unwrap_err().to_string(), "unknown option '-z'");
    }

    #[test]
    fn surplus_words_are_kept_apart() {
        let arguments = parse("-t T -b B -l true").unwrap();
        assert_eq!(arguments.surplus, ["true"]);
        assert!(arguments.has("l"));
    }

    #[test]
    fn quotes_around_a_value_are_taken_off() {
        assert_eq!(unquoted("\"a b\""), "a b");
        assert_eq!(unquoted("\"a\"b\""), "\"a\"b\"");
        assert_eq!(unquoted("\""), "\"");
    }

    #[test]
    fn numbers_are_checked() {
        let arguments = parse("-t T -b B -e x").unwrap();
        let error = arguments.parsed::<i64>("e", "a number of milliseconds").unwrap_err();
        assert_eq!(error.to_string(), "option -e (endTimestamp) is 'x', it must be a number of milliseconds");
    }
}
