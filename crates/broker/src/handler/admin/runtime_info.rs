//! `GET_BROKER_RUNTIME_INFO`: Java's table of numbers, with the same names.
//!
//! Where Java speaks of a thing that is not there (thread pools and their queues, a page cache lock),
//! the number is the one that a Java broker shows when nothing waits.
//!
//! Ours alone are the rows that tell whether the broker takes messages: `storeWriteState` is `open` or `stopped`; then
//! `storeWriteStoppedReason` is what senders are told, and `storeWriteStoppedSince` a time in ms; and
//! `storeDamagedMessagesSkipped`: how often a message was not given to a consumer because it is damaged on the disk;
//! `stuckConsumerQueues`: how many queues of groups that are online nobody pulls (`stuckConsumerSeconds`), and
//! `stuckConsumerQueueList`: which;
//! `consumerGroupsWithDifferentSubscriptions`: how many groups have members that ask for different messages;
//! `consumerGroupsWithDuplicateClientIds`: how many have clients with the same client id;
//! `brokerRole` is `master`, `slave` or `acting master`; of a slave `slaveMasterAddr`, and `slaveTablesSynced`, when topics, groups and
//! offsets were its master's the last time (ms);
//! `haSlaves`, `haSlavesInSync`, `haLagBytesMax`, `haLagMsMax` and a row `haSlave_…` for each: who copies this log;
//! `haCopy…`: the copying of the master's log;
//! `transaction…`: half messages that are open, those that wait for a producer of their group to come, and counts since the start.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{Clock, Record, Timestamp};
use eruca_replication::driver::Replicas;
use eruca_store::{MessageStore, WriteState};

use crate::{
    clients::ConsumerTable,
    delay::DelaySchedule,
    ha,
    role::{Role, RoleState},
    settings::Settings,
    stats::BrokerStats,
    stuck::StuckQueues,
    timer::TimerSchedule,
    transaction::Transactions,
};

/// Numbers of things that this broker does not have.
const ABSENT: &[(&str, &str)] = &[
    ("EndTransactionQueueSize", "0"),
    ("EndTransactionThreadPoolQueueCapacity", "100000"),
    ("ackThreadPoolQueueCapacity", "100000"),
    ("ackThreadPoolQueueHeadWaitTimeMills", "0"),
    ("ackThreadPoolQueueSize", "0"),
    ("dispatchMaxBuffer", "0"),
    ("getMessageEntireTimeMax", "0"),
    ("litePullThreadPoolQueueCapacity", "100000"),
    ("litePullThreadPoolQueueHeadWaitTimeMills", "0"),
    ("litePullThreadPoolQueueSize", "0"),
    ("pageCacheLockTimeMills", "0"),
    ("pullThreadPoolQueueCapacity", "100000"),
    ("pullThreadPoolQueueHeadWaitTimeMills", "0"),
    ("pullThreadPoolQueueSize", "0"),
    ("putLatency99", "0.00"),
    ("putLatency999", "0.00"),
    ("putMessageDistributeTime", "null"),
    ("putMessageEntireTimeMax", "0"),
    ("putMessageFailedTimes", "0"),
    ("queryThreadPoolQueueCapacity", "20000"),
    ("queryThreadPoolQueueHeadWaitTimeMills", "0"),
    ("queryThreadPoolQueueSize", "0"),
    ("remainTransientStoreBufferNumbs", "2147483647"),
    ("sendThreadPoolQueueCapacity", "10000"),
    ("sendThreadPoolQueueHeadWaitTimeMills", "0"),
    ("sendThreadPoolQueueSize", "0"),
];

/// Gathers the table.
#[derive(Debug)]
pub(super) struct RuntimeInfo {
    pub(super) store: Arc<MessageStore>,
    pub(super) consumers: Arc<ConsumerTable>,
    pub(super) delay: Arc<DelaySchedule>,
    pub(super) timers: Arc<TimerSchedule>,
    pub(super) transactions: Arc<Transactions>,
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Arc<BrokerStats>,
    pub(super) stuck: Arc<StuckQueues>,
    pub(super) role: Arc<RoleState>,
    pub(super) replicas: Arc<Replicas>,
    pub(super) clock: Arc<dyn Clock>,
}

impl RuntimeInfo {
    pub(super) fn table(&self) -> BTreeMap<String, String> {
        let mut table: BTreeMap<String, String> =
            ABSENT.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        let mut put = |name: &str, value: String| drop(table.insert(name.to_owned(), value));
        self.general(&mut put);
        self.write_state(&mut put);
        self.role(&mut put);
        for (name, value) in ha::rows(&self.replicas, &*self.clock) {
            put(&name, value);
        }
        let (stuck, which) = self.stuck.summary(self.clock.now());
        put("stuckConsumerQueues", stuck.to_string());
        if stuck > 0 {
            put("stuckConsumerQueueList", which);
        }
        self.log(&mut put);
        self.messages(&mut put);
        self.timers(&mut put);
        self.half_messages(&mut put);
        for (level, (next, max)) in self.delay.offsets() {
            put(&format!("scheduleMessageOffset_{level}"), format!("{next},{max}"));
        }
        table
    }

    fn timers(&self, put: &mut impl FnMut(&str, String)) {
        let info = self.timers.info();
        put("timerReadBehind", info.read_behind_s.to_string());
        put("timerOffsetBehind", info.offset_behind.to_string());
        put("timerCongestNum", info.congest_num.to_string());
        put("timerEnqueueTps", format!("{:?}", info.enqueue_tps));
        put("timerDequeueTps", format!("{:?}", info.dequeue_tps));
    }

    fn general(&self, put: &mut impl FnMut(&str, String)) {
        let started_at = self.stats.started_at;
        put("bootTimestamp", started_at.to_string());
        put("runtime", runtime_text(self.clock.now().ms_since(started_at)));
        put("brokerActive", "true".to_owned());
        put("brokerVersionDesc", "V5_5_0".to_owned());
        put("consumerGroupsWithDifferentSubscriptions", self.consumers.differing_groups().to_string());
        put("consumerGroupsWithDuplicateClientIds", self.consumers.groups_with_twins().to_string());
        let accepts_at = self.settings.now().start_accept_send_request_time_stamp;
        put("startAcceptSendRequestTimeStamp", accepts_at.to_string());
    }

    fn write_state(&self, put: &mut impl FnMut(&str, String)) {
        put("storeDamagedMessagesSkipped", self.store.damaged_records_passed_over().to_string());
        match self.store.write_state() {
            WriteState::Open => put("storeWriteState", "open".to_owned()),
            WriteState::Stopped(why) => {
                put("storeWriteState", "stopped".to_owned());
                put("storeWriteStoppedReason", why.to_string());
                put(
                    "storeWriteStoppedSince",
                    self.store.write_stopped_since().unwrap_or_default().to_string(),
                );
            }
        }
    }

    fn role(&self, put: &mut impl FnMut(&str, String)) {
        let standing = self.role.now();
        put("brokerRole", standing.role.to_string());
        if standing.role == Role::Master {
            return;
        }
        let master = standing.master.as_ref().map(|master| master.broker_addr.clone());
        put("slaveMasterAddr", master.unwrap_or_else(|| "not known".to_owned()));
        let synced = self.role.followed_at().map_or_else(|| "never".to_owned(), |at| at.to_string());
        put("slaveTablesSynced", synced);
    }

    fn log(&self, put: &mut impl FnMut(&str, String)) {
        let (min, max) = self.store.log_range();
        let marks = self.store.watermarks();
        let usage = self.store.disk_usage();
        let ratio = format!("{:.2}", usage.used_ratio);
        let used_of_all = 1.0 - usage.used_ratio;
        let total = if used_of_all > 0.0 { usage.free_bytes as f64 / used_of_all } else { 0.0 };
        let directory = self.store.config().commit_log_dir.display();
        put("commitLogMinOffset", min.to_string());
        put("commitLogMaxOffset", max.to_string());
        put("commitLogDiskRatio", ratio.clone());
        put(&format!("commitLogDiskRatio_{directory}"), ratio);
        put("consumeQueueDiskRatio", format!("{:.2}", usage.queues_used_ratio));
        let free = byte_text(usage.free_bytes);
        put("commitLogDirCapacity", format!("Total : {}, Free : {free}.", byte_text(total as u64)));
        put("dispatchBehindBytes", marks.written.0.saturating_sub(marks.dispatched.0).to_string());
        put("remainHowManyDataToFlush", byte_text(marks.appended.0.saturating_sub(marks.flushed.0)));
        put("earliestMessageTimeStamp", self.earliest_store_time().map_or(-1, |time| time.0).to_string());
    }

    fn earliest_store_time(&self) -> Option<Timestamp> {
        let record = self.store.record_at(self.store.log_range().0).ok()??;
        Record::decode(&record).ok().map(|record| record.fields.store_timestamp)
    }

    fn messages(&self, put: &mut impl FnMut(&str, String)) {
        let stats = &self.stats;
        let (messages, bytes) = (stats.put_total(), stats.put_bytes_total());
        put("putMessageTimesTotal", messages.to_string());
        put("putMessageSizeTotal", bytes.to_string());
        let average = if messages > 0 { bytes as f64 / messages as f64 } else { 0.0 };
        put("putMessageAverageSize", format!("{average:?}"));
        put("putTps", rates(stats.put_tps()));
        put("getTransferredTps", rates(stats.transferred_tps()));
        let (found, missed) = (stats.found_tps(), stats.missed_tps());
        put("getFoundTps", rates(found));
        put("getMissTps", rates(missed));
        put("getTotalTps", rates(std::array::from_fn(|at| found[at] + missed[at])));
        let (puts, gets) = (stats.put_daily(), stats.got_daily());
        put("msgPutTotalYesterdayMorning", puts.yesterday_morning.to_string());
        put("msgPutTotalTodayMorning", puts.today_morning.to_string());
        put("msgPutTotalTodayNow", messages.to_string());
        put("msgGetTotalYesterdayMorning", gets.yesterday_morning.to_string());
        put("msgGetTotalTodayMorning", gets.today_morning.to_string());
        put("msgGetTotalTodayNow", stats.got_total().to_string());
    }
}

impl RuntimeInfo {
    fn half_messages(&self, put: &mut impl FnMut(&str, String)) {
        let counts = self.transactions.counts();
        put("transactionOpenHalfMessages", counts.open.to_string());
        put("transactionOrphanedHalfMessages", counts.orphaned.to_string());
        put("transactionPreparedTotal", counts.prepared.to_string());
        put("transactionCommittedTotal", counts.committed.to_string());
        put("transactionRolledBackTotal", counts.rolled_back.to_string());
        put("transactionChecksTotal", counts.checks.to_string());
        put("transactionGivenUpTotal", counts.given_up.to_string());
    }
}

/// 10 s, 1 min and 10 min, separated by blanks; tools read the first.
fn rates(rates: [f64; 3]) -> String {
    rates.map(|rate| format!("{rate:?}")).join(" ")
}

/// As Java's `StoreStatsService` writes it.
fn runtime_text(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

/// `231.0 GiB`, as Java's `humanReadableByteCount`.
fn byte_text(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::test_parts::TestParts;

    /// The names that a Java 5.5.0 broker answered (golden output of `mqadmin brokerStatus`).
    const JAVAS_NAMES: &str = "EndTransactionQueueSize EndTransactionThreadPoolQueueCapacity \
        ackThreadPoolQueueCapacity ackThreadPoolQueueHeadWaitTimeMills ackThreadPoolQueueSize bootTimestamp \
        brokerActive brokerVersionDesc commitLogDirCapacity commitLogDiskRatio commitLogMaxOffset \
        commitLogMinOffset consumeQueueDiskRatio dispatchBehindBytes dispatchMaxBuffer earliestMessageTimeStamp \
        getFoundTps getMessageEntireTimeMax getMissTps getTotalTps getTransferredTps \
        litePullThreadPoolQueueCapacity litePullThreadPoolQueueHeadWaitTimeMills litePullThreadPoolQueueSize \
        msgGetTotalTodayMorning msgGetTotalTodayNow msgGetTotalYesterdayMorning msgPutTotalTodayMorning \
        msgPutTotalTodayNow msgPutTotalYesterdayMorning pageCacheLockTimeMills pullThreadPoolQueueCapacity \
        pullThreadPoolQueueHeadWaitTimeMills pullThreadPoolQueueSize putLatency99 putLatency999 \
        putMessageAverageSize putMessageDistributeTime putMessageEntireTimeMax putMessageFailedTimes \
        putMessageSizeTotal putMessageTimesTotal putTps queryThreadPoolQueueCapacity \
        queryThreadPoolQueueHeadWaitTimeMills queryThreadPoolQueueSize remainHowManyDataToFlush \
        remainTransientStoreBufferNumbs runtime scheduleMessageOffset_1 sendThreadPoolQueueCapacity \
        sendThreadPoolQueueHeadWaitTimeMills sendThreadPoolQueueSize startAcceptSendRequestTimeStamp \
        timerCongestNum timerDequeueTps timerEnqueueTps timerOffsetBehind timerReadBehind";

    #[test]
    fn every_name_of_a_java_broker_is_there() {
        let parts = TestParts::new();
        let config = parts.directory.path().join("config");
        let delay = DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap();
        parts.store("SCHEDULE_TOPIC_XXXX", 0, "x", b"REAL_TOPIC\x01T\x02REAL_QID\x010\x02DELAY\x011\x02");
        parts.stats.put("T", 10, 5_000);
        parts.clock.advance_ms(100_000);
        delay.deliver_step(Timestamp(1_100_000));
        let info = RuntimeInfo {
            store: Arc::clone(&parts.store),
            consumers: Arc::clone(&parts.consumers),
            delay: Arc::new(delay),
            timers: parts.timers(),
            transactions: parts.transactions(),
            settings: Arc::clone(&parts.settings),
            stats: Arc::clone(&parts.stats),
            stuck: parts.stuck(),
            role: Arc::new(RoleState::master()),
            replicas: parts.replicas(),
            clock: parts.clock.clone(),
        };
        let table = info.table();
        let mut names: Vec<&str> = JAVAS_NAMES.split_whitespace().collect();
        let path = format!("commitLogDiskRatio_{}", parts.directory.path().join("commitlog").display());
        names.extend([
            path.as_str(),
            "storeDamagedMessagesSkipped",
            "storeWriteState",
            "brokerRole",
            "stuckConsumerQueues",
            "transactionOpenHalfMessages",
            "transactionOrphanedHalfMessages",
            "transactionPreparedTotal",
            "transactionCommittedTotal",
            "transactionRolledBackTotal",
            "transactionChecksTotal",
            "transactionGivenUpTotal",
        ]);
        names.extend(["consumerGroupsWithDifferentSubscriptions", "consumerGroupsWithDuplicateClientIds"]);
        names.sort_unstable();
        assert_eq!(table.keys().map(String::as_str).collect::<Vec<_>>(), names);
        for (name, value) in [
            ("runtime", "[ 0 days, 0 hours, 1 minutes, 40 seconds ]"),
            ("earliestMessageTimeStamp", "1000000"),
            ("putMessageAverageSize", "500.0"),
            ("msgPutTotalTodayNow", "10"),
            ("putTps", "0.1 0.1 0.1"),
            ("scheduleMessageOffset_1", "1,1"),
        ] {
            assert_eq!(table[name], value, "{name}");
        }
    }

    #[test]
    fn a_store_that_takes_nothing_says_so_and_since_when() {
        let parts = TestParts::new();
        let config = parts.directory.path().join("config");
        let info = RuntimeInfo {
            store: Arc::clone(&parts.store),
            consumers: Arc::clone(&parts.consumers),
            delay: Arc::new(
                DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap(),
            ),
            timers: parts.timers(),
            transactions: parts.transactions(),
            settings: Arc::clone(&parts.settings),
            stats: Arc::clone(&parts.stats),
            stuck: parts.stuck(),
            role: Arc::new(RoleState::master()),
            replicas: parts.replicas(),
            clock: parts.clock.clone(),
        };
        assert_eq!(info.table()["storeWriteState"], "open");
        parts.clock.advance_ms(500);
        parts.store.close().unwrap();
        parts.clock.advance_ms(500);
        let table = info.table();
        assert_eq!(table["storeWriteState"], "stopped");
        assert_eq!(table["storeWriteStoppedSince"], "1000500");
        assert!(table["storeWriteStoppedReason"].contains("shutting down"));
    }

    #[test]
    fn bytes_as_java_writes_them() {
        assert_eq!(byte_text(0), "0 B");
        assert_eq!(byte_text(1023), "1023 B");
        assert_eq!(byte_text(1536), "1.5 KiB");
        assert_eq!(byte_text(231 << 30), "231.0 GiB");
    }
}
