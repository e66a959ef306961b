//! The description of one option of a command.

/// Whether an option must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may be left out.
    Optional,
    /// It must be given.
    Required,
    /// Exactly one of the command's options of this kind must be given.
    OneOf,
}

/// One option: its names, whether it takes a value, and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Opt {
    /// Short name without the dash; empty for an option that has only a long name.
    pub short: &'static str,
    /// Long name without dashes. Some of the Java tool's long names end with a blank; they are matched without it.
    pub long: &'static str,
    /// Whether a value follows.
    pub takes_value: bool,
    /// Whether it must be given.
    pub need: Need,
    /// What it is for.
    pub about: &'static str,
}

impl Opt {
    /// An option with a value that may be left out.
    pub const fn value(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, takes_value: true, need: Need::Optional, about }
    }

    /// An option with a value that must be given.
    pub const fn required(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, takes_value: true, need: Need::Required, about }
    }

    /// An option with a value; exactly one of the command's options of this kind must be given.
    pub const fn one_of(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, takes_value: true, need: Need::OneOf, about }
    }

    /// An option without a value.
    pub const fn flag(short: &'static str, long: &'static str, about: &'static str) -> Opt {
        Opt { short, long, takes_value: false, need: Need::Optional, about }
    }

    /// The name by which options are sorted and asked for: the short one, else the long one.
    pub fn key(&self) -> &'static str {
        if self.short.is_empty() { self.long } else { self.short }
    }

    /// The long name as it is typed.
    pub fn long_typed(&self) -> &'static str {
        self.long.trim_end()
    }

    /// The shortest spelling, with its dashes.
    pub fn dashed(&self) -> String {
        if self.short.is_empty() { format!("--{}", self.long_typed()) } else { format!("-{}", self.short) }
    }
}

/// Prints what a command is for. Every command has it.
pub(crate) static HELP: Opt = Opt::flag("h", "help", "Print help");

/// Which name servers are asked. Every command has it.
pub(crate) static NAMESRV_ADDR: Opt =
    Opt::value("n", "namesrvAddr", "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'");

/// The options of a command, its own and those that every command has, in the order in which help lists them.
pub(crate) fn with_common_options(own: &'static [Opt]) -> Vec<&'static Opt> {
    let mut options: Vec<&'static Opt> = own.iter().collect();
    for common in [&HELP, &NAMESRV_ADDR] {
        // A command may describe `-n` in its own words.
        if !own.iter().any(|opt| opt.key() == common.key()) {
            options.push(common);
        }
    }
    options.sort_by_key(|opt| opt.key().to_lowercase());
    options
}
