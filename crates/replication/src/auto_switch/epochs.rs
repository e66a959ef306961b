//! Which master wrote which part of a log.

use std::fmt::Write as _;

use eruca_message::LogOffset;

/// Most epochs of a list. Segments that expire take theirs along, so a real one has few.
pub const EPOCHS_MAX: usize = 10_000;

/// One master's time: its number, and where its part of the log begins (Java: `EpochEntry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// Larger than those of the masters before.
    pub number: i32,
    /// Offset of its first byte.
    pub start: LogOffset,
}

/// The epochs of a log, oldest first: numbers and starts both grow (Java: `EpochFileCache`).
///
/// An epoch ends where the next one begins, the last one where the log ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Epochs(Vec<Epoch>);

/// A list of epochs that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// A new epoch is not newer, or begins before the one that is there.
    #[error(
        "epoch {number} from offset {start} cannot follow epoch {last_number} from offset {last_start}: numbers and offsets \
         only grow"
    )]
    NotBehind {
        /// Number of the new one.
        number: i32,
        /// Its start.
        start: LogOffset,
        /// Number of the one before.
        last_number: i32,
        /// Its start.
        last_start: LogOffset,
    },
    /// More than [`EPOCHS_MAX`].
    #[error("{count} epochs are more than the {EPOCHS_MAX} that a list may have")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A line of the file is not `number-offset`.
    #[error("line {line} is not of the form epoch-offset: {text:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// The file does not have as many entries as its first line says.
    #[error("{found} epochs where the first line says {expected}")]
    Count {
        /// What the first line says.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// The second line is not the checksum of the others.
    #[error("the checksum is {actual}, but line 2 says {expected}")]
    Checksum {
        /// What line 2 says.
        expected: i32,
        /// Of what is there.
        actual: i32,
    },
}

impl Epochs {
    /// A list as it came from a file or a peer.
    ///
    /// # Errors
    /// Numbers or starts do not grow, or there are too many.
    pub fn from_entries(entries: Vec<Epoch>) -> Result<Epochs, EpochError> {
        if entries.len() > EPOCHS_MAX {
            return Err(EpochError::TooMany { count: entries.len() });
        }
        for (last, next) in entries.iter().zip(entries.iter().skip(1)) {
            // A Java broker may keep an epoch in which nothing was written beside the next one.
            if next.number <= last.number || next.start < last.start {
                return Err(not_behind(*next, *last));
            }
        }
        Ok(Epochs(entries))
    }

    /// All, oldest first.
    pub fn entries(&self) -> &[Epoch] {
        &self.0
    }

    /// The newest.
    pub fn last(&self) -> Option<Epoch> {
        self.0.last().copied()
    }

    /// Number of the newest; -1 where there is none, as the protocol has it.
    pub fn last_number(&self) -> i32 {
        self.last().map_or(-1, |epoch| epoch.number)
    }

    /// A new master begins at `epoch.start`, which is the end of the log. An epoch in which nothing was written gives way: two
    /// that begin at one offset would not tell whose bytes follow.
    ///
    /// The same epoch once more changes nothing.
    ///
    /// # Errors
    /// The number is not larger than the last one's, or the start lies before its start.
    pub fn begin(&mut self, epoch: Epoch) -> Result<(), EpochError> {
        if let Some(last) = self.last() {
            if last == epoch {
                return Ok(());
            }
            if epoch.number <= last.number || epoch.start < last.start {
                return Err(not_behind(epoch, last));
            }
        }
        self.0.retain(|earlier| earlier.start < epoch.start);
        if self.0.len() >= EPOCHS_MAX {
            return Err(EpochError::TooMany { count: self.0.len() + 1 });
        }
        self.0.push(epoch);
        Ok(())
    }

    /// The log ends at `end` now: epochs that begin there or behind have no bytes any more.
    pub fn truncate(&mut self, end: LogOffset) {
        self.0.retain(|epoch| epoch.start < end);
    }

    /// The log begins at `begin` now: epochs that end there or before have no bytes any more. The last one stays.
    pub fn forget_before(&mut self, begin: LogOffset) {
        let gone = self.0.iter().skip(1).take_while(|next| next.start <= begin).count();
        self.0.drain(..gone);
    }

    /// The epoch that wrote, or will write, the byte at `offset`, and where it ends (`None`: it is the last one). `None` before
    /// the first.
    pub fn at(&self, offset: LogOffset) -> Option<(Epoch, Option<LogOffset>)> {
        let after = self.0.partition_point(|epoch| epoch.start <= offset);
        let epoch = self.0.get(after.checked_sub(1)?)?;
        Some((*epoch, self.0.get(after).map(|next| next.start)))
    }

    /// Up to where two logs are the same, which is what both have of the newest epoch that both know with the same start. Where
    /// they know none in common, but both from the very beginning on, it is the beginning. `None` where that is not known.
    ///
    /// `end` and `other_end` are the ends of the logs. Epochs without a byte do not count.
    pub fn agree_up_to(&self, end: LogOffset, other: &Epochs, other_end: LogOffset) -> Option<LogOffset> {
        let common =
            self.0.iter().enumerate().rev().filter(|(_, mine)| mine.start < end).find_map(|(i, mine)| {
                let at = other.0.iter().position(|theirs| theirs == mine)?;
                let mine_ends = self.0.get(i + 1).map_or(end, |next| next.start.min(end));
                let theirs_ends = other.0.get(at + 1).map_or(other_end, |next| next.start);
                Some(mine_ends.min(theirs_ends))
            });
        common.or_else(|| (self.is_whole(end) && other.is_whole(other_end)).then_some(LogOffset(0)))
    }

    /// Whether it says of each byte of a log who wrote it, and no byte is gone.
    fn is_whole(&self, end: LogOffset) -> bool {
        end == LogOffset(0) || self.0.first().is_some_and(|first| first.start == LogOffset(0))
    }

    /// The text of `epochFileCheckpoint` (Java: `CheckpointFile`): how many, CRC-32 of the lines that follow as Java's signed
    /// number, then one `number-offset` a line.
    pub fn to_text(&self) -> String {
        let mut lines = String::new();
        for epoch in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{}-{}", epoch.number, epoch.start);
        }
        format!("{}\n{}\n{lines}", self.0.len(), checksum(&lines))
    }

    /// Reads [`Epochs::to_text`]. A checksum of 0 is not compared.
    ///
    /// # Errors
    /// Lines are missing or wrong, or the checksum is.
    pub fn from_text(text: &str) -> Result<Epochs, EpochError> {
        let wrong =
            |line: usize, text: &str| EpochError::Line { line, text: text.chars().take(40).collect() };
        let mut head = text.splitn(3, '\n');
        let (count, sum, lines) = (
            head.next().unwrap_or_default(),
            head.next().unwrap_or_default(),
            head.next().unwrap_or_default(),
        );
        let expected: usize = count.trim_end().parse().map_err(|_| wrong(1, count))?;
        let sum: i32 = sum.trim_end().parse().map_err(|_| wrong(2, sum))?;
        let mut entries = Vec::new();
        for (i, line) in lines.lines().enumerate() {
            let epoch = line.split_once('-').and_then(|(number, start)| {
                Some(Epoch { number: number.parse().ok()?, start: LogOffset(start.parse().ok()?) })
            });
            entries.push(epoch.ok_or_else(|| wrong(i + 3, line))?);
        }
        if entries.len() != expected {
            return Err(EpochError::Count { expected, found: entries.len() });
        }
        let actual = checksum(lines);
        if sum != 0 && sum != actual {
            return Err(EpochError::Checksum { expected: sum, actual });
        }
        Epochs::from_entries(entries)
    }
}

/// Java's `UtilAll.crc32`: without the sign.
fn checksum(lines: &str) -> i32 {
    (crc32fast::hash(lines.as_bytes()) & 0x7fff_ffff).cast_signed()
}

fn not_behind(next: Epoch, last: Epoch) -> EpochError {
    EpochError::NotBehind {
        number: next.number,
        start: next.start,
        last_number: last.number,
        last_start: last.start,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epochs(entries: &[(i32, u64)]) -> Epochs {
        let entries = entries.iter().map(|&(number, start)| Epoch { number, start: LogOffset(start) });
        Epochs::from_entries(entries.collect()).unwrap()
    }

    fn agreed(one: &[(i32, u64)], one_end: u64, other: &[(i32, u64)], other_end: u64) -> Option<u64> {
        let (one, other) = (epochs(one), epochs(other));
        let there = one.agree_up_to(LogOffset(one_end), &other, LogOffset(other_end));
        assert_eq!(
            there,
            other.agree_up_to(LogOffset(other_end), &one, LogOffset(one_end)),
            "both see the same"
        );
        there.map(|offset| offset.0)
    }

    #[test]
    fn logs_agree_up_to_the_end_of_what_both_have_of_the_newest_common_epoch() {
        assert_eq!(agreed(&[(1, 0), (2, 100)], 150, &[(1, 0), (2, 100)], 180), Some(150));
        assert_eq!(agreed(&[(1, 0), (2, 100)], 150, &[(1, 0), (3, 120)], 180), Some(100));
        assert_eq!(agreed(&[(1, 0), (2, 100)], 150, &[(1, 0), (3, 70)], 180), Some(70));
        assert_eq!(agreed(&[(1, 0)], 90, &[(1, 0), (3, 70)], 180), Some(70));
        assert_eq!(
            agreed(&[(2, 300)], 350, &[(1, 0), (2, 300), (3, 340)], 900),
            Some(340),
            "expired beginnings"
        );
        assert_eq!(agreed(&[(1, 0)], 90, &[(2, 70)], 180), None);
        assert_eq!(
            agreed(&[(1, 0)], 90, &[(2, 0)], 180),
            Some(0),
            "nobody else had what was written in epoch 1"
        );
        assert_eq!(agreed(&[(1, 0)], 0, &[(2, 0)], 180), Some(0), "an epoch without a byte");
        assert_eq!(agreed(&[(1, 0), (2, 90)], 90, &[(1, 0), (3, 90)], 180), Some(90));
    }

    #[test]
    fn an_epoch_without_a_byte_gives_way_to_the_next() {
        let mut list = epochs(&[(1, 0), (2, 100)]);
        list.begin(Epoch { number: 4, start: LogOffset(100) }).unwrap();
        assert_eq!(list, epochs(&[(1, 0), (4, 100)]));
        list.begin(Epoch { number: 4, start: LogOffset(100) }).unwrap();
        assert!(list.begin(Epoch { number: 4, start: LogOffset(101) }).is_err());
        let error = list.begin(Epoch { number: 5, start: LogOffset(99) }).unwrap_err();
        let text =
            "epoch 5 from offset 99 cannot follow epoch 4 from offset 100: numbers and offsets only grow";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn epochs_go_with_their_bytes() {
        let mut list = epochs(&[(1, 0), (2, 100), (3, 200)]);
        assert_eq!(
            list.at(LogOffset(99)).unwrap(),
            (Epoch { number: 1, start: LogOffset(0) }, Some(LogOffset(100)))
        );
        assert_eq!(list.at(LogOffset(999)).unwrap().1, None);
        list.forget_before(LogOffset(100));
        assert_eq!(list, epochs(&[(2, 100), (3, 200)]));
        assert_eq!(list.at(LogOffset(99)), None);
        list.forget_before(LogOffset(900));
        assert_eq!(list, epochs(&[(3, 200)]));
        list.truncate(LogOffset(200));
        assert_eq!(list.last_number(), -1);
    }

    #[test]
    fn javas_file_is_read_and_written() {
        // The example in the documentation of Java's CheckpointFile, of which the checksum is that of two lines.
        let list = epochs(&[(7, 7000), (8, 8000)]);
        assert_eq!(list.to_text(), "2\n773307083\n7-7000\n8-8000\n");
        assert_eq!(Epochs::from_text("2\n773307083\n7-7000\n8-8000\n").unwrap(), list);
        assert_eq!(Epochs::from_text("2\n0\n7-7000\n8-8000\n").unwrap(), list);
        let text = |text| Epochs::from_text(text).unwrap_err().to_string();
        assert_eq!(text("2\n5\n7-7000\n8-8000\n"), "the checksum is 773307083, but line 2 says 5");
        assert_eq!(text("3\n0\n7-7000\n8-8000\n"), "2 epochs where the first line says 3");
        assert_eq!(text("1\n0\n7:7000\n"), "line 3 is not of the form epoch-offset: \"7:7000\"");
        assert_eq!(text(""), "line 1 is not of the form epoch-offset: \"\"");
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in "[0-9\\-\n]{0,60}") {
            if let Ok(list) = Epochs::from_text(&text) {
                prop_assert_eq!(Epochs::from_text(&list.to_text()), Ok(list));
            }
        }
    }
}
