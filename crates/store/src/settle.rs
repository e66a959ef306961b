//! Settling: what all threads staged goes to the operating system in one go, and becomes visible.
//!
//! Locks, in this order: `writing`, `append`, a queue's state.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, PoisonError},
};

use eruca_message::{LogOffset, QueueOffset};

use crate::{
    arrival::Arrival,
    commit_log::{Extra, Pending, Staging},
    consume_queue::ConsumeQueue,
    disk::DiskError,
    store::MessageStore,
    watermark::LogTip,
    write_state::WriteStopped,
};

/// Entries in memory at which those who settle help to write them behind.
const UNWRITTEN_ENTRIES_MAX: u64 = 512 << 10;

/// What a thread appended to a store and did not settle yet.
#[derive(Debug, Clone, Copy)]
struct Unsettled {
    store: u64,
    /// [`AppendState::drops`] at the first of it.
    drops: u64,
    /// End of the last of it.
    end: u64,
}

thread_local! {
    /// Arrivals on their way to the listener.
    static ARRIVALS: Cell<Vec<Arrival>> = const { Cell::new(Vec::new()) };
    /// By store; a thread rarely has more than one.
    static UNSETTLED: RefCell<Vec<Unsettled>> = const { RefCell::new(Vec::new()) };
}

impl MessageStore {
    pub(crate) fn note_unsettled(&self, drops: u64, end: u64) {
        UNSETTLED.with_borrow_mut(|all| match all.iter_mut().find(|one| one.store == self.number) {
            Some(one) => one.end = end,
            None => all.push(Unsettled { store: self.number, drops, end }),
        });
    }

    /// Hands everything staged to the operating system with one write per segment, then makes it visible to
    /// readers and tells the listener.
    ///
    /// Call it on the thread that appended, and without letting other work run on that thread in between, before
    /// anything is acknowledged: `Ok` says that everything this thread appended since its last call is written.
    ///
    /// # Errors
    /// The reason where something that this thread appended was dropped, because the write failed: it has no
    /// place any more.
    pub fn settle(&self) -> Result<(), WriteStopped> {
        let mine = UNSETTLED.with_borrow_mut(|all| {
            let place = all.iter().position(|one| one.store == self.number)?;
            Some(all.swap_remove(place))
        });
        if let Some(mine) = mine
            && self.progress.written() >= mine.end
        {
            // Another thread wrote it already.
            return self.check_not_dropped(mine);
        }
        let mut arrivals = ARRIVALS.take();
        let dropped_from = {
            let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            self.write_staged(&mut writing, &mut arrivals)
        };
        self.tell_written();
        if let Some((from, why)) = dropped_from {
            if let Some(listener) = self.written_listener.get() {
                listener.dropped(LogOffset(from), &why);
            }
            self.flush_waiters.take_after(from).into_iter().for_each(|waiter| waiter(Err(why.clone())));
        }
        self.tell_arrivals(&arrivals);
        arrivals.clear();
        ARRIVALS.set(arrivals);
        if self.queues.unwritten_entries() > UNWRITTEN_ENTRIES_MAX {
            // Whoever makes entries faster than they are written behind helps to write them. An error is the
            // store's state then, and what was settled is.
            let _ = self.queue_flush_step();
        }
        match mine {
            Some(mine) => self.check_not_dropped(mine),
            None => Ok(()),
        }
    }

    /// As [`MessageStore::settle`], in the midst of what this thread acknowledges together: where something was dropped, the
    /// next settling tells it once more, because messages from before this call are not acknowledged yet.
    ///
    /// # Errors
    /// As [`MessageStore::settle`].
    pub fn settle_early(&self) -> Result<(), WriteStopped> {
        let mine = UNSETTLED.with_borrow(|all| all.iter().find(|one| one.store == self.number).copied());
        let settled = self.settle();
        if let (Err(_), Some(mine)) = (&settled, mine) {
            self.note_unsettled(mine.drops, mine.end);
        }
        settled
    }

    /// Whether everything that this thread appended since it last settled still has its place. To be asked by whoever
    /// registered to be told of a message before it was settled: another thread may have settled it in vain in between.
    ///
    /// # Errors
    /// Why it has none any more.
    pub fn check_unsettled(&self) -> Result<(), WriteStopped> {
        let mine = UNSETTLED.with_borrow(|all| all.iter().find(|one| one.store == self.number).copied());
        let Some(mine) = mine else { return Ok(()) };
        let state = self.append_lock();
        match state.drops == mine.drops {
            true => Ok(()),
            false => Err(state.dropped_for.clone().unwrap_or(WriteStopped::ShuttingDown)),
        }
    }

    fn check_not_dropped(&self, mine: Unsettled) -> Result<(), WriteStopped> {
        let state = self.append_lock();
        if state.drops == mine.drops || planted!(DroppedAcknowledged) {
            debug_assert!(
                self.progress.written() >= mine.end || planted!(DroppedAcknowledged),
                "what was settled is written"
            );
            return Ok(());
        }
        Err(state.dropped_for.clone().unwrap_or(WriteStopped::ShuttingDown))
    }

    /// Writes what is staged; on an error all that is not written is dropped: from where on, and why.
    fn write_staged(
        &self,
        writing: &mut Staging,
        arrivals: &mut Vec<Arrival>,
    ) -> Option<(u64, WriteStopped)> {
        {
            let mut state = self.append_lock();
            if state.staging.is_empty() {
                return None;
            }
            std::mem::swap(writing, &mut state.staging);
        }
        let mut published = 0;
        let mut dropped = None;
        for part in writing.parts() {
            if planted!(DispatchBeforeAppend) {
                published += self.publish(writing, published, part.end, arrivals);
            }
            let written = match self.gate.check() {
                // A failed sync elsewhere: what comes after it cannot be kept either.
                Err(why @ WriteStopped::Io { .. }) => Err(why),
                _ => self.write_part(writing.bytes_of(part), part.at).map_err(|error| self.stop_for(&error)),
            };
            if let Err(why) = written {
                self.take_back(writing, published, part.at, &why);
                dropped = Some((part.at, why));
                break;
            }
            published += self.publish(writing, published, part.end, arrivals);
        }
        writing.clear();
        dropped
    }

    pub(crate) fn write_part(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        let segment = match self.segments.find(at) {
            Some(segment) => segment,
            None => {
                let created = self.segments.find_or_create(at)?;
                // Fast writers fill a small disk between two looks. Without room for queue entries, though, no segment
                // may go, and there would never be room again.
                self.space_step();
                created
            }
        };
        segment.write(bytes, at)
    }

    /// Makes the records before `end` visible, of which the first `from` are. How many.
    fn publish(&self, written: &Staging, from: usize, end: u64, arrivals: &mut Vec<Arrival>) -> usize {
        let tell = self.listener.get().is_some();
        let mut tip = LogTip { end, ..self.progress.tip() };
        let mut count = 0;
        for pending in written.pending().iter().skip(from) {
            if pending.entry.log_offset.0 >= end {
                break;
            }
            count += 1;
            tip.last_record = pending.entry.log_offset.0;
            tip.store_timestamp = pending.store_timestamp;
            if let Some(extra) = &pending.extra {
                self.publish_extra(pending, extra, tell, arrivals);
            }
            let Some(queue) = &pending.queue else { continue };
            self.publish_entry(queue, pending.queue_offset, pending, tell, arrivals);
        }
        // After the entries, so that whoever flushes up to here finds them all in their queues.
        self.progress.set_written(tip);
        count
    }

    pub(crate) fn publish_entry(
        &self,
        queue: &Arc<ConsumeQueue>,
        index: u64,
        pending: &Pending,
        tell: bool,
        arrivals: &mut Vec<Arrival>,
    ) {
        let (max, list) = queue.publish(index, pending.entry);
        self.queues.entry_added(queue, list);
        if tell {
            arrivals.push(arrival((queue.topic(), queue.queue_id()), index, pending, max));
        }
    }

    fn publish_extra(&self, pending: &Pending, extra: &Extra, tell: bool, arrivals: &mut Vec<Arrival>) {
        for (queue, index) in &extra.queues {
            self.publish_entry(queue, *index, pending, tell, arrivals);
        }
        if let Some((queue, entry)) = &extra.batch {
            let max = queue.publish(*entry);
            if tell {
                arrivals.push(arrival((queue.topic(), queue.queue_id()), entry.base_offset.0, pending, max));
            }
        }
    }

    /// Takes back all records that are not published, also those staged meanwhile: their places in the log, which
    /// ends at `log_end` again, and in their queues.
    fn take_back(&self, writing: &Staging, published: usize, log_end: u64, why: &WriteStopped) {
        let mut state = self.append_lock();
        // Backwards, so that each queue ends up at the first index that it gave in vain.
        let failed = writing.pending().get(published..).unwrap_or_default();
        for pending in state.staging.pending().iter().rev().chain(failed.iter().rev()) {
            if let Some(queue) = &pending.queue {
                queue.take_back(pending.queue_offset);
            }
            if let Some(extra) = &pending.extra {
                extra.take_back();
            }
        }
        state.staging.clear();
        state.log_end = log_end;
        state.drops += 1;
        state.dropped_for = Some(why.clone());
        self.progress.set_appended(log_end);
        drop(state);
        // Part of the bytes may be in the file. The records that will come to lie here have other lengths: what
        // is left behind them must never be taken for records, nor be there again after a power cut.
        if let Some(segment) = self.segments.find(log_end)
            && let Err(error) = segment.zero_from(log_end).and_then(|()| segment.sync())
        {
            self.stop(WriteStopped::from_io(&error));
        }
    }
}

pub(crate) fn arrival(queue: (&Arc<str>, i32), queue_offset: u64, pending: &Pending, max: u64) -> Arrival {
    Arrival {
        topic: Arc::clone(queue.0),
        queue_id: queue.1,
        queue_offset: QueueOffset(queue_offset),
        queue_offset_max: QueueOffset(max),
        tags_code: pending.entry.tags_code,
        log_offset: pending.entry.log_offset,
        size_bytes: pending.entry.size_bytes,
        store_timestamp: pending.store_timestamp,
    }
}
