//! How the commands print.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use eruca_admin::LocalTime;
use eruca_message::Timestamp;

use crate::failure::bytes_text;

/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Local time to the millisecond; `-` for none.
pub(super) fn time_text(zone: &LocalTime, at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| zone.to_millis(at))
}

/// Text in columns: all but the last are padded, numbers to the left.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Tells on standard error how far a long run has come.
pub(super) struct Progress {
    what: &'static str,
    total_bytes: u64,
    last: Instant,
    is_shown: bool,
}

impl Progress {
    /// Of a run over `total_bytes`. Where standard error is no terminal, it is only said every ten times as rarely.
    pub(super) fn new(what: &'static str, total_bytes: u64) -> Progress {
        Progress { what, total_bytes, last: Instant::now(), is_shown: io::stderr().is_terminal() }
    }

    pub(super) fn at(&mut self, bytes: u64) {
        let every = if self.is_shown { PROGRESS_EVERY } else { PROGRESS_EVERY * 10 };
        if self.last.elapsed() >= every {
            self.last = Instant::now();
            let percent = bytes.saturating_mul(100) / self.total_bytes.max(1);
            eprintln!(
                "{} {} of {} ({percent} %)",
                self.what,
                bytes_text(bytes),
                bytes_text(self.total_bytes)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["a", "long"]);
        table.row(vec!["1234".into(), "x".into()]);
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a     long\n1234  x\n");
    }

    #[test]
    fn no_time_is_a_dash() {
        let zone = LocalTime::utc();
        assert_eq!(time_text(&zone, None), "-");
        assert_eq!(time_text(&zone, Some(Timestamp(0))), "1970-01-01 00:00:00,000");
    }
}
