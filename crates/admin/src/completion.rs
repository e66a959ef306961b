//! The commands as a `clap` command, from which shell completions are made.

use clap::{Arg, ArgAction};

use crate::{
    COMMANDS,
    option::{Opt, with_common_options},
};

/// All commands and their options, called `name`. For completions and documentation only: [`crate::run`] reads the
/// command line by the Java tool's rules, which differ from clap's.
pub fn clap_command(name: &'static str) -> clap::Command {
    let commands = COMMANDS.iter().map(|command| {
        clap::Command::new(command.name)
            .about(command.about)
            .disable_help_flag(true)
            .args(with_common_options(command.options).into_iter().map(arg))
    });
    clap::Command::new(name)
        .about("Admin commands, as mqadmin has them")
        .disable_help_subcommand(true)
        .subcommands(commands)
}

fn arg(opt: &'static Opt) -> Arg {
    let mut short = opt.short.chars();
    let mut arg = Arg::new(opt.key()).long(opt.long_typed()).help(opt.about);
    // clap knows no short names of several letters.
    if let (Some(letter), None) = (short.next(), short.next()) {
        arg = arg.short(letter);
    }
    if opt.takes_value { arg } else { arg.action(ArgAction::SetTrue) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_valid_clap_command() {
        clap_command("admin").debug_assert();
        assert_eq!(clap_command("mqadmin").get_subcommands().count(), COMMANDS.len());
    }
}
