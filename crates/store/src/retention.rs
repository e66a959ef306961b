//! Expiry: whole segments go when they are old or room is needed, and the queues follow.

use std::sync::{PoisonError, atomic::Ordering};

use eruca_message::Timestamp;

use crate::{disk::DiskError, recovery::store_time_at, store::MessageStore};

const HOUR_MS: i64 = 3_600_000;
/// A clock that moved ahead by more than this between two looks may be wrong.
const CLOCK_STEP_MAX_MS: i64 = HOUR_MS;
/// For so long nothing goes for its age alone then.
const CLOCK_DOUBT_MS: i64 = HOUR_MS;
/// For so many steps an order by hand holds (Java: `MAX_MANUAL_DELETE_FILE_TIMES`): one deletes a batch.
const STEPS_BY_HAND: u32 = 20;

/// What [`MessageStore::retention_step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RetentionReport {
    /// Segments deleted.
    pub segments_deleted: usize,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// Share of the disk in use when it was looked at; of the fuller one, where log and queues are on two.
    pub disk_used_ratio: f64,
}

/// What the store takes of the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskUsage {
    /// Share of the log's file system in use, 0 to 1, by whomever.
    pub used_ratio: f64,
    /// The same of the file system of the queues.
    pub queues_used_ratio: f64,
    /// Bytes free on that of the log.
    pub free_bytes: u64,
    /// Bytes from the start of the log to its end.
    pub log_bytes: u64,
}

/// Why segments may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Only those past their age.
    Expired,
    /// Room is needed, whatever their age.
    Forced,
}

/// Whether the clock can be trusted to say how old messages are.
///
/// A clock that is set wrong by a month would else let everything go within a minute. One that was right all the time
/// (the machine slept, the broker was down) costs an hour.
#[derive(Debug)]
pub(crate) struct ClockWatch {
    last: Timestamp,
    in_doubt_until: Timestamp,
}

impl ClockWatch {
    /// The clock was right at `last`: when the last message was stored.
    pub(crate) fn since(last: Timestamp) -> ClockWatch {
        ClockWatch { last, in_doubt_until: Timestamp(0) }
    }

    /// Looks at the clock.
    fn is_trusted(&mut self, now: Timestamp) -> bool {
        let ahead_ms = now.ms_since(self.last);
        self.last = now;
        if ahead_ms > CLOCK_STEP_MAX_MS {
            self.in_doubt_until = now.add_ms(CLOCK_DOUBT_MS);
            tracing::info!(
                ahead_ms,
                "the clock is far ahead of the last look (at a start: of the last message): for an hour no message goes for its age alone"
            );
        }
        // Set back, it says nothing of that any more.
        now >= self.in_doubt_until || self.in_doubt_until.ms_since(now) > CLOCK_DOUBT_MS
    }
}

impl MessageStore {
    /// Deletes segments, oldest first, never the one that is written:
    ///
    /// | when | which |
    /// |---|---|
    /// | in an hour of `deleteWhen`, where the clock did not just jump | older than `fileReservedTime` |
    /// | disk use above `diskMaxUsedSpaceRatio` | the same |
    /// | [`MessageStore::delete_expired_now`] was called, for 20 steps | the same |
    /// | disk use above `diskSpaceCleanForciblyRatio` | any, where `cleanFileForciblyEnable` |
    ///
    /// A segment is as old as its last record. At most `deleteFileBatchMax` go at a time, and one after the clock jumped
    /// ahead. To be called about every ten seconds.
    pub fn retention_step(&self, now: Timestamp) -> RetentionReport {
        self.space_step();
        let mut report = self.looked_at();
        let ratio = report.disk_used_ratio;
        let is_clock_trusted =
            self.clock_watch.lock().unwrap_or_else(PoisonError::into_inner).is_trusted(now);
        let steps_left = |left: u32| left.checked_sub(1);
        let is_by_hand =
            self.delete_steps_by_hand.fetch_update(Ordering::Relaxed, Ordering::Relaxed, steps_left).is_ok();
        let reason = if ratio > self.config.disk_clean_forcibly_ratio && self.config.clean_forcibly {
            Reason::Forced
        } else if ratio > self.config.disk_max_used_ratio
            || is_by_hand
            || (is_clock_trusted && self.is_hour_to_delete(now))
        {
            Reason::Expired
        } else {
            return report;
        };
        // One by one where the age may be wrong, until there is room; who gives an order knows the time.
        let most = if is_clock_trusted || is_by_hand { self.config.delete_batch_max } else { 1 };
        self.delete_segments(now, reason, most, &mut report);
        report
    }

    /// Deletes expired segments at any hour (`deleteExpiredCommitLog` of the admin tools): a batch now, and more with each of
    /// the next steps.
    pub fn delete_expired_now(&self, now: Timestamp) -> RetentionReport {
        let mut report = self.looked_at();
        self.delete_steps_by_hand.store(STEPS_BY_HAND - 1, Ordering::Relaxed);
        self.delete_segments(now, Reason::Expired, self.config.delete_batch_max, &mut report);
        report
    }

    fn looked_at(&self) -> RetentionReport {
        let usage = self.disk_usage();
        let disk_used_ratio = usage.used_ratio.max(usage.queues_used_ratio);
        RetentionReport { disk_used_ratio, ..RetentionReport::default() }
    }

    fn delete_segments(&self, now: Timestamp, reason: Reason, most: usize, report: &mut RetentionReport) {
        let shrinking = self.shrinking.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.delete_while_allowed(now, reason, most, report);
        drop(shrinking);
        if report.segments_deleted > 0 {
            tracing::info!(
                segments = report.segments_deleted,
                ?reason,
                log_min = self.segments.min(),
                "old segments of the log deleted"
            );
            self.trim_queues();
            if let Err(error) = self.index.expire(self.segments.min()) {
                tracing::warn!(%error, "an old index file could not be deleted, it is tried again");
            }
            // Deletion made room: need not wait for the next look.
            self.space_step();
        }
        if let Err(error) = result {
            tracing::warn!(%error, "an old segment of the log could not be deleted, it is tried again");
        }
    }

    fn delete_while_allowed(
        &self,
        now: Timestamp,
        reason: Reason,
        most: usize,
        report: &mut RetentionReport,
    ) -> Result<(), DiskError> {
        while report.segments_deleted < most.max(1) {
            let first = self.segments.min();
            let next = first + self.segments.segment_size();
            // The segment that is written stays, and so does one whose queue entries are not on the disk: without
            // either of them recovery would not know the offsets that were given, and give them again.
            let in_use = next > self.progress.queued() && !planted!(ExpiryOfSegmentInUse);
            if in_use || next >= self.progress.written() {
                break;
            }
            let judged = if planted!(ExpiryTooEarly) { first } else { next };
            if reason == Reason::Expired && !self.is_expired(judged, now)? {
                break;
            }
            let Some(deleted) = self.segments.remove_first()? else { break };
            report.segments_deleted += 1;
            report.bytes_deleted += deleted.len_bytes;
            // After it counts: a file that is gone is gone, also where that cannot be made to last.
            self.segments.sync_names()?;
        }
        Ok(())
    }

    /// Whether everything before `next`, where a segment starts, is past its age: the first record there is no
    /// older than the last one before. Where that one is damaged, the first of a later segment has to do.
    fn is_expired(&self, next: u64, now: Timestamp) -> Result<bool, DiskError> {
        let reserved_ms = i64::from(self.config.file_reserved_hours) * HOUR_MS;
        let mut start = next;
        while start < self.progress.written() {
            if let Some(stored) = store_time_at(&self.segments, start)? {
                return Ok(now.ms_since(stored) >= reserved_ms);
            }
            start += self.segments.segment_size();
        }
        Ok(false)
    }

    /// Lets every queue begin at its first message that is in the log. Deletion does so itself; what it could not do then is
    /// done now (`cleanExpiredCQ` of the admin tools).
    pub fn trim_queues(&self) {
        let log_min = self.segments.min();
        let mut all_trimmed = true;
        for queue in self.queues.all() {
            if let Err(error) = queue.expire(self.queues.files(), log_min) {
                all_trimmed = false;
                tracing::warn!(topic = %queue.topic(), queue_id = queue.queue_id(), %error,
                    "a queue could not be trimmed, it is tried again");
            }
        }
        for queue in self.batch_queues.all() {
            if let Err(error) = queue.expire(log_min) {
                tracing::warn!(topic = %queue.topic(), queue_id = queue.queue_id(), %error,
                    "a batch queue could not be trimmed, it is tried again");
            }
        }
        let log = self.queues.files().queue_log();
        if log.is_active() {
            log.set_outdated();
        }
        if all_trimmed {
            self.queues.set_trimmed_to(log_min);
        }
    }

    fn is_hour_to_delete(&self, now: Timestamp) -> bool {
        let local_ms = now.0.saturating_add(i64::from(self.config.utc_offset_s) * 1000);
        let hour = local_ms.div_euclid(HOUR_MS).rem_euclid(24);
        self.config.delete_when_hours.iter().any(|when| i64::from(*when) == hour)
    }

    /// What the store takes of the disk. Where that cannot be told, the disk counts as full.
    pub fn disk_usage(&self) -> DiskUsage {
        let space = self.disk.space(&self.config.commit_log_dir);
        let queues = self.disk.space(&self.config.root);
        let (min, max) = self.log_range();
        DiskUsage {
            used_ratio: space.as_ref().map_or(1.0, |space| space.used_ratio()),
            queues_used_ratio: queues.map_or(1.0, |space| space.used_ratio()),
            free_bytes: space.map_or(0, |space| space.free_bytes),
            log_bytes: max.0 - min.0,
        }
    }
}
