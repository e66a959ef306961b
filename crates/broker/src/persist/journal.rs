//! A journal: small checksummed records since a JSON file was written.
//!
//! | field | bytes | note |
//! |---|---|---|
//! | magic | 8 | `ERUCAJ01` |
//! | base length | 4 | of the JSON file to which the records belong, big-endian; 0 with CRC 0: not known yet |
//! | base CRC | 4 | CRC-32 of that file |
//! | records | | each: length 4, CRC-32 of payload 4, payload |
//!
//! The layout is ours and stable; a Java broker ignores the file. The base tells whether the JSON file is still the one
//! that we wrote: after a Java broker had the directory, our journal is out of date and must not be replayed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use super::PersistError;

const MAGIC: &[u8; 8] = b"ERUCAJ01";
const HEADER_LEN: u64 = 16;
/// A record longer than this is a torn length.
const MAX_PAYLOAD_LEN: usize = 1 << 20;

/// Which JSON file a journal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Base {
    len: u32,
    crc: u32,
}

impl Base {
    /// No JSON file was there yet, or it is not known.
    pub(super) const NONE: Base = Base { len: 0, crc: 0 };

    pub(super) fn of(json: &[u8]) -> Base {
        Base { len: json.len() as u32, crc: crc32fast::hash(json) }
    }

    fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.len.to_be_bytes();
        let [e, f, g, h] = self.crc.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// What a journal file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Whether there is a journal at all.
    pub(super) exists: bool,
    pub(super) base: Base,
    pub(super) payloads: Vec<Vec<u8>>,
    /// Where the whole records end.
    valid_len: u64,
    /// Bytes behind them: a record that was cut short.
    pub(super) torn_len: u64,
}

/// Reads a journal; empty where there is none.
pub(super) fn read(path: &Path) -> Result<Content, PersistError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(PersistError::io("read", path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(PersistError::io("read", path)(error)),
    };
    Ok(decode(&bytes))
}

fn decode(bytes: &[u8]) -> Content {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Content { torn_len: bytes.len() as u64, ..Content::default() };
    };
    let Some((base, mut rest)) = split_ints(rest) else {
        return Content { torn_len: bytes.len() as u64, ..Content::default() };
    };
    let base = Base { len: base.0, crc: base.1 };
    let mut content = Content { exists: true, base, ..Content::default() };
    while let Some(((len, crc), after)) = split_ints(rest) {
        let whole = usize::try_from(len)
            .ok()
            .filter(|len| (1..=MAX_PAYLOAD_LEN).contains(len))
            .and_then(|len| after.split_at_checked(len))
            .filter(|(payload, _)| crc32fast::hash(payload) == crc);
        let Some((payload, after)) = whole else { break };
        content.payloads.push(payload.to_vec());
        rest = after;
    }
    content.torn_len = rest.len() as u64;
    content.valid_len = bytes.len() as u64 - content.torn_len;
    content
}

fn split_ints(bytes: &[u8]) -> Option<((u32, u32), &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    let (second, rest) = rest.split_first_chunk::<4>()?;
    Some(((u32::from_be_bytes(*first), u32::from_be_bytes(*second)), rest))
}

/// Appends one record to `out`.
pub(super) fn encode_record(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
    out.extend_from_slice(payload);
}

/// An open journal, at its end.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    len: u64,
}

impl Journal {
    /// A new, empty journal at `path`, over an older one.
    pub(super) fn create(path: &Path, base: Base) -> Result<Journal, PersistError> {
        let open = || {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
            file.write_all(MAGIC)?;
            file.write_all(&base.to_bytes())?;
            Ok(file)
        };
        Ok(Journal { file: open().map_err(PersistError::io("create", path))?, len: HEADER_LEN })
    }

    /// Goes on with the journal at `path`, whose content is `content`; its torn end is cut off.
    pub(super) fn resume(path: &Path, content: &Content) -> Result<Journal, PersistError> {
        let open = || {
            let mut file = OpenOptions::new().read(true).write(true).open(path)?;
            file.set_len(content.valid_len)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        Ok(Journal { file: open().map_err(PersistError::io("open", path))?, len: content.valid_len })
    }

    /// A journal in any file, to see what a file does that fails.
    #[cfg(test)]
    pub(super) fn over(file: impl Into<std::os::fd::OwnedFd>) -> Journal {
        Journal { file: File::from(file.into()), len: HEADER_LEN }
    }

    /// Hands encoded records to the kernel. Nothing is written where there are none. After an error nothing of them is in the journal.
    pub(super) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        match self.file.write_all_at(records, self.len) {
            Ok(()) => {
                self.len += records.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A partial record would end the replay of those written later.
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }

    /// Makes all records survive a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Says to which JSON file the journal belongs. The caller syncs the file that it gets, before the JSON file is
    /// replaced.
    pub(super) fn bind(&self, base: Base) -> io::Result<File> {
        self.file.write_all_at(&base.to_bytes(), MAGIC.len() as u64)?;
        self.file.try_clone()
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_torn_record_is_cut_off_at_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offsets.journal");
        let mut records = Vec::new();
        encode_record(&mut records, b"first");
        let first = records.len();
        encode_record(&mut records, b"second");
        for cut in 0..records.len() {
            let mut journal = Journal::create(&path, Base::NONE).unwrap();
            journal.write(&records[..cut]).unwrap();
            let content = read(&path).unwrap();
            assert_eq!(content.payloads.len(), usize::from(cut >= first), "cut at {cut}");
            let mut journal = Journal::resume(&path, &content).unwrap();
            let mut third = Vec::new();
            encode_record(&mut third, b"third");
            journal.write(&third).unwrap();
            assert_eq!(read(&path).unwrap().payloads.last().unwrap(), b"third");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend_from_slice(&bytes);
            decode(&bytes);
            decode(&with_magic);
        }
    }
}
