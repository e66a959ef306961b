//! Looking at the properties of messages that a filter may choose, most of which it does not: bodies of large ones are not
//! read, small ones that lie side by side are read at once.

use eruca_message::{HEAD_LEN_BYTES, TAIL_MAX_LEN_BYTES, tail_properties, tail_start};

use crate::{
    cold::Wait,
    consume_queue::{ConsumeQueue, ConsumeQueueEntry},
    damage::{Unreadable, check_head},
    disk::DiskError,
    read::EntryFilter,
    store::MessageStore,
};

/// Records up to this size are read whole.
const SMALL_LEN_BYTES: usize = 4 << 10;
/// So many bytes of them are read at once.
const WINDOW_LEN_BYTES: usize = 64 << 10;

/// What was read of the log for one read's filter.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Bytes of the log from `at` on.
    window: Vec<u8>,
    at: u64,
    /// What stands behind the body of a large record.
    tail: Vec<u8>,
}

impl Look {
    fn get(&self, at: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.window.get(start..start.checked_add(len)?)
    }
}

impl MessageStore {
    /// Whether the filter takes the message of the first of these entries by its properties. One whose frame is damaged is
    /// passed over here; the body of one that is taken is checked when it is read.
    pub(crate) fn properties_match(
        &self,
        queue: &ConsumeQueue,
        queue_offset: u64,
        ahead: &[ConsumeQueueEntry],
        filter: &dyn EntryFilter,
        wait: Wait,
        look: &mut Look,
    ) -> Result<bool, DiskError> {
        let Some(entry) = ahead.first() else { return Ok(false) };
        let (at, len) = (entry.log_offset.0, entry.size_bytes as usize);
        let head_len = if len <= SMALL_LEN_BYTES { len } else { HEAD_LEN_BYTES };
        if look.get(at, head_len).is_none() && !self.fill(look, ahead, head_len, wait)? {
            return Ok(false);
        }
        let Look { tail: tail_bytes, .. } = look;
        let mut tail_bytes = std::mem::take(tail_bytes);
        let head = look.get(at, head_len).unwrap_or_default();
        let matches = match self.find_properties(head, len, at, wait, &mut tail_bytes)? {
            Some(Ok(properties)) => filter.matches_properties(properties),
            Some(Err(why)) => {
                self.pass_over_in(queue, queue_offset, at, len as u64, &why);
                false
            }
            None => false,
        };
        look.tail = tail_bytes;
        Ok(matches)
    }

    /// Reads the first entry's record, or its beginning, into the window, and the small ones that lie behind it.
    fn fill(
        &self,
        look: &mut Look,
        ahead: &[ConsumeQueueEntry],
        head_len: usize,
        wait: Wait,
    ) -> Result<bool, DiskError> {
        let Some((first, others)) = ahead.split_first() else { return Ok(false) };
        let at = first.log_offset.0;
        let mut len = head_len;
        if first.size_bytes as usize == head_len {
            for next in others {
                let end = at + len as u64;
                let size = next.size_bytes as usize;
                let fits = size <= SMALL_LEN_BYTES && len + size <= WINDOW_LEN_BYTES;
                if next.log_offset.0 != end || end.is_multiple_of(self.config.segment_size_bytes) || !fits {
                    break;
                }
                len += size;
            }
        }
        look.window.clear();
        look.at = at;
        self.read_log(&mut look.window, len, at, wait)
    }

    /// The properties of a record that begins with `head`; `None` where the log does not hold it.
    fn find_properties<'a>(
        &self,
        head: &'a [u8],
        len: usize,
        at: u64,
        wait: Wait,
        tail_bytes: &'a mut Vec<u8>,
    ) -> Result<Option<Result<&'a [u8], Unreadable>>, DiskError> {
        let start = match check_head(head, len, at).and_then(|()| Ok(tail_start(head)?)) {
            Ok(start) if start < len && len - start <= TAIL_MAX_LEN_BYTES => start,
            Ok(_) => return Ok(Some(Err(Unreadable::Frame))),
            Err(why) => return Ok(Some(Err(why))),
        };
        let tail = match head.get(start..).filter(|_| head.len() == len) {
            Some(tail) => tail,
            None => {
                tail_bytes.clear();
                if !self.read_log(tail_bytes, len - start, at + start as u64, wait)? {
                    return Ok(None);
                }
                tail_bytes
            }
        };
        Ok(Some(tail_properties(head, tail).map_err(Unreadable::from)))
    }
}
