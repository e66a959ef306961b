//! The help text of a command, laid out as the Java tool lays it out: 110 columns, options sorted by name.

use crate::option::{Need, Opt, with_common_options};

/// Columns of the page.
const WIDTH: usize = 110;
const PREFIX: &str = "usage: ";
/// Blanks between the longest option and the descriptions.
const DESCRIPTION_GAP: usize = 3;

/// The help text of the command `name` that takes these options of its own.
pub fn usage(name: &str, own: &'static [Opt]) -> String {
    let options = with_common_options(own);
    let mut text = wrap(&format!("{PREFIX}mqadmin {name} {}", synopsis(&options)), PREFIX.len());
    let spelled: Vec<String> = options.iter().map(|opt| spelling(opt)).collect();
    let column = spelled.iter().map(String::len).max().unwrap_or_default() + DESCRIPTION_GAP;
    for (opt, spelling) in options.iter().zip(&spelled) {
        text.push_str(&wrap(&format!("{spelling:column$}{}", opt.about), column));
    }
    text
}

fn synopsis(options: &[&'static Opt]) -> String {
    let mut parts = Vec::new();
    let mut choice_is_written = false;
    for opt in options {
        match opt.need {
            Need::Optional => parts.push(format!("[{}]", short_form(opt))),
            Need::Required => parts.push(short_form(opt)),
            Need::OneOf if choice_is_written => parts.push(String::new()),
            Need::OneOf => {
                choice_is_written = true;
                let all = options.iter().filter(|opt| opt.need == Need::OneOf).map(|opt| short_form(opt));
                parts.push(all.collect::<Vec<_>>().join(" | "));
            }
        }
    }
    parts.join(" ")
}

fn short_form(opt: &Opt) -> String {
    let name = if opt.short.is_empty() { format!("--{}", opt.long) } else { format!("-{}", opt.short) };
    if opt.takes_value { format!("{name} <arg>") } else { name }
}

fn spelling(opt: &Opt) -> String {
    let names = if opt.short.is_empty() {
        format!("    --{}", opt.long)
    } else {
        format!(" -{},--{}", opt.short, opt.long)
    };
    if opt.takes_value { format!("{names} <arg>") } else { names }
}

/// Breaks `text` at blanks into lines of at most [`WIDTH`] characters; all lines but the first start with `indent`
/// blanks. A word that is longer than a line is cut.
fn wrap(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut rest = text.to_owned();
    while let Some(end) = break_at(&rest, indent) {
        let (line, more) = rest.split_at(end);
        lines.push_str(line.trim_end());
        lines.push('\n');
        rest = format!("{}{}", " ".repeat(indent), more.trim());
    }
    lines.push_str(rest.trim_end());
    lines.push('\n');
    lines
}

/// Where the first line of `text` ends; `None` where it all fits.
fn break_at(text: &str, indent: usize) -> Option<usize> {
    if text.len() <= WIDTH {
        return None;
    }
    match text.char_indices().take_while(|(at, _)| *at <= WIDTH).filter(|(_, c)| *c == ' ').last() {
        // A line of nothing but its indent would never end.
        Some((at, _)) if at >= indent && at > 0 && at != indent.wrapping_sub(1) => Some(at),
        _ => text.char_indices().map(|(at, _)| at).find(|at| *at >= WIDTH),
    }
}
