//! `eruca store check`: what a broker would do with the directory.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use eruca_admin::LocalTime;
use eruca_broker::BrokerConfig;
use eruca_store::{
    StoreConfig, TimerSettings,
    inspect::{Problem, QueueLogSurvey, Survey, TimerSurvey},
};

use super::{
    output::{Progress, time_text},
    run::{is_in_use, open},
    tables::{TableFound, tables},
    timers::timers_text,
};
use crate::{cli::StoreCheckArgs, config_file, failure::bytes_text};

pub(super) fn run(args: &StoreCheckArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let (config, timer_settings) = config(args)?;
    let mut progress = Progress::new("read", store.log_files_bytes());
    let mut survey = store.survey(&config, |bytes| progress.at(bytes))?;
    let tables = tables(store.root());
    survey.problems.extend(tables.iter().filter_map(table_problem));
    let in_use = is_in_use(store.root());
    let timers = store.timers(|_, _, _| true)?;
    survey.problems.extend(timers.iter().flat_map(|found| timer_problems(found, &timer_settings)));
    let mut out = io::stdout().lock();
    print(&mut out, &args.place.dir.display().to_string(), &survey, &tables, timers.as_ref(), in_use)?;
    Ok(if survey.problems.is_empty() && !in_use { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The store's part of the broker's configuration.
fn config(args: &StoreCheckArgs) -> anyhow::Result<(StoreConfig, TimerSettings)> {
    let file = args.config.as_deref();
    let loaded = BrokerConfig::from_properties(&config_file::read(file)?)
        .with_context(|| config_file::where_it_is(file))?;
    loaded.keys.validate().with_context(|| config_file::where_it_is(file))?;
    let timers = TimerSettings {
        log_file_bytes: loaded.keys.mapped_file_size_timer_log,
        precision_ms: loaded.keys.timer_precision_ms(),
    };
    Ok((loaded.keys.store_config(0)?, timers))
}

/// Settings that do not fit the timer files.
fn timer_problems(found: &TimerSurvey, settings: &TimerSettings) -> Vec<Problem> {
    let log = (found.files > 0).then_some(i64::try_from(found.file_bytes).unwrap_or(i64::MAX));
    let configured = i64::try_from(settings.log_file_bytes).unwrap_or(i64::MAX);
    let sizes = [
        ("mappedFileSizeTimerLog", log, configured),
        ("timerPrecisionMs", found.precision_ms.map(i64::from), settings.precision_ms),
    ];
    let differ = sizes.into_iter().filter_map(|(key, found, configured)| {
        let found = found.filter(|found| *found != configured)?;
        Some(Problem {
            what: format!(
                "the timer files were made with {key}={found}, the configuration says {configured}"
            ),
            remedy: format!("set {key}={found}"),
        })
    });
    differ.collect()
}

fn table_problem(table: &TableFound) -> Option<Problem> {
    let why = table.content.as_ref().err()?;
    Some(Problem {
        what: format!("config/{} cannot be read ({why}), and neither can its .bak", table.name),
        remedy: "bring it back from a copy, or move it away to start without it".to_owned(),
    })
}

fn print(
    out: &mut impl Write,
    dir: &str,
    survey: &Survey,
    tables: &[TableFound],
    timers: Option<&TimerSurvey>,
    in_use: bool,
) -> io::Result<()> {
    let zone = LocalTime::of_this_machine();
    let mut line = |name: &str, text: String| writeln!(out, "{name:<14}{text}");
    line("directory", dir.to_owned())?;
    line("written by", survey.written_by.to_owned())?;
    line(
        "last run",
        match (in_use, survey.was_closed) {
            (true, _) => "a broker works with it at this moment: what follows may be out of date".to_owned(),
            (false, true) => "ended in order".to_owned(),
            (false, false) => {
                "did not end in order (the file abort is there): it would be recovered".to_owned()
            }
        },
    )?;
    let (start, end) = survey.log;
    let log_bytes = end.0.saturating_sub(start.0);
    line("log", format!("{} files, {} from {start} to {end}", survey.segments, bytes_text(log_bytes)))?;
    line(
        "stored",
        format!("{} to {}", time_text(&zone, survey.stored.0), time_text(&zone, survey.stored.1)),
    )?;
    line("recovery", format!("reads from {}, {} records", survey.recovery_from, survey.recovery_records))?;
    if let Some(why) = &survey.torn_tail {
        line("torn end", format!("from {end} on, would be cut off: {why}"))?;
    }
    for (from, to, why) in &survey.damages {
        line("damaged", format!("{from} to {to}, consumers would pass over it: {why}"))?;
    }
    let (simple, batch) = survey.queues;
    let batches = if batch > 0 { format!(", {batch} of inner batches") } else { String::new() };
    line("queues", format!("{simple}{batches}; {} topics, {} entries", survey.topics, survey.entries))?;
    match &survey.queue_log {
        None => {}
        Some(QueueLogSurvey::Fits { queues, chained, log_end }) => line(
            "queue log",
            format!(
                "knows {queues} queues up to {log_end}; entries of {chained} are there alone, which a Java broker would \
                 make anew from the messages"
            ),
        )?,
        Some(QueueLogSurvey::Unusable { why }) => {
            line(
                "queue log",
                format!("would not be used, the queues would be made anew from the messages: {why}"),
            )?;
        }
    }
    if let Some(timers) = timers {
        line("timers", timers_text(&zone, timers))?;
    }
    line("index", format!("{} files", survey.index_files))?;
    for table in tables {
        let content = table.content.as_deref().unwrap_or("cannot be read");
        let backup = if table.from_backup { " (from its .bak: the file itself cannot be read)" } else { "" };
        let journal = if table.has_journal { ", and a journal of newer changes" } else { "" };
        line("table", format!("config/{}: {content}{backup}{journal}", table.name))?;
    }
    for size in survey.sizes.iter() {
        let Some(found) = size.found else { continue };
        let fits = if size.differs() { format!(", set to {}", size.configured) } else { String::new() };
        line("size", format!("{}={found}{fits}", size.key))?;
    }
    for note in &survey.notes {
        line("note", format!("{} holds {}: {}", note.path.display(), note.what, note.remedy))?;
    }
    for problem in &survey.problems {
        line("problem", format!("{}: {}", problem.what, problem.remedy))?;
    }
    line(
        "would start",
        match (in_use, survey.problems.len()) {
            (true, _) => "no: another broker holds the lock; stop that one first".to_owned(),
            (false, 0) => "yes".to_owned(),
            (false, 1) => "no: see the problem above".to_owned(),
            (false, count) => format!("no: see the {count} problems above"),
        },
    )
}
