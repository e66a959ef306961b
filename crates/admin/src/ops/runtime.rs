//! What a broker says of itself, as typed values.

use std::{collections::BTreeMap, str::FromStr};

/// The figures that `clusterList` shows of one broker. A text is as the broker wrote it, and empty where it is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BrokerRuntime {
    /// Version by name.
    pub version: String,
    /// Messages received per second, over the last ten seconds.
    pub put_tps: f64,
    /// Messages delivered per second, over the last ten seconds.
    pub transferred_tps: f64,
    /// Waiting sends: how many, and for how many milliseconds the oldest.
    pub send_queue: (String, String),
    /// Waiting pulls, likewise.
    pub pull_queue: (String, String),
    /// Waiting acknowledgements, likewise; `N` where the broker has none.
    pub ack_queue: (String, String),
    /// How long the append lock has been held, ms.
    pub page_cache_lock_ms: String,
    /// When the oldest message was stored, ms since 1970.
    pub earliest_message_timestamp: Option<i64>,
    /// Used part of the commit log's disk, 0 to 1.
    pub commit_log_disk_ratio: f64,
    /// Delayed messages: not yet read, milliseconds.
    pub timer_read_behind: i64,
    /// Delayed messages: not yet read, queue entries.
    pub timer_offset_behind: i64,
    /// Delayed messages that are due and not yet delivered.
    pub timer_congest_num: i64,
    /// Delayed messages taken in per second.
    pub timer_enqueue_tps: f32,
    /// Delayed messages delivered per second.
    pub timer_dequeue_tps: f32,
    /// Whether it takes part in its cluster.
    pub is_active: bool,
}

impl BrokerRuntime {
    /// Reads the broker's table; what is absent or no number is 0.
    pub fn from_table(table: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| table.get(name).cloned().unwrap_or_default();
        let text_or_n = |name: &str| table.get(name).cloned().unwrap_or_else(|| "N".to_owned());
        BrokerRuntime {
            version: text("brokerVersionDesc"),
            put_tps: first_number(table, "putTps"),
            transferred_tps: first_number(table, "getTransferredTps"),
            send_queue: (text("sendThreadPoolQueueSize"), text("sendThreadPoolQueueHeadWaitTimeMills")),
            pull_queue: (text("pullThreadPoolQueueSize"), text("pullThreadPoolQueueHeadWaitTimeMills")),
            ack_queue: (
                text_or_n("ackThreadPoolQueueSize"),
                text_or_n("ackThreadPoolQueueHeadWaitTimeMills"),
            ),
            page_cache_lock_ms: text("pageCacheLockTimeMills"),
            earliest_message_timestamp: parsed(table, "earliestMessageTimeStamp"),
            commit_log_disk_ratio: parsed(table, "commitLogDiskRatio").unwrap_or_default(),
            timer_read_behind: parsed(table, "timerReadBehind").unwrap_or_default(),
            timer_offset_behind: parsed(table, "timerOffsetBehind").unwrap_or_default(),
            timer_congest_num: parsed(table, "timerCongestNum").unwrap_or_default(),
            timer_enqueue_tps: parsed(table, "timerEnqueueTps").unwrap_or_default(),
            timer_dequeue_tps: parsed(table, "timerDequeueTps").unwrap_or_default(),
            is_active: text("brokerActive").eq_ignore_ascii_case("true"),
        }
    }
}

fn parsed<T: FromStr>(table: &BTreeMap<String, String>, name: &str) -> Option<T> {
    table.get(name)?.trim().parse().ok()
}

/// The first of several numbers in one value: rates are given over 10 s, 1 min and 10 min.
fn first_number(table: &BTreeMap<String, String>, name: &str) -> f64 {
    let first = table.get(name).and_then(|value| value.split_whitespace().next());
    first.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Messages taken in and given out by one broker, yesterday and today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayTotals {
    /// Taken in yesterday.
    pub in_yesterday: i64,
    /// Given out yesterday.
    pub out_yesterday: i64,
    /// Taken in today.
    pub in_today: i64,
    /// Given out today.
    pub out_today: i64,
}

/// The totals in a broker's table; all 0 where one of the counters is missing.
pub fn day_totals(table: &BTreeMap<String, String>) -> DayTotals {
    let counter = |name: &str| parsed::<i64>(table, name);
    let totals = || {
        let (put_yesterday, put_today) =
            (counter("msgPutTotalYesterdayMorning")?, counter("msgPutTotalTodayMorning")?);
        let (get_yesterday, get_today) =
            (counter("msgGetTotalYesterdayMorning")?, counter("msgGetTotalTodayMorning")?);
        Some(DayTotals {
            in_yesterday: put_today - put_yesterday,
            out_yesterday: get_today - get_yesterday,
            in_today: counter("msgPutTotalTodayNow")? - put_today,
            out_today: counter("msgGetTotalTodayNow")? - get_today,
        })
    };
    totals().unwrap_or_default()
}
