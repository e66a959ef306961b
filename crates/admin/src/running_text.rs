//! What a consumer says of itself, as text (Java: `ConsumerRunningInfo.formatString`).

use std::fmt::{self, Write};

use eruca_message::Timestamp;
use eruca_protocol::body::{ConsumerRunningInfo, ProcessQueueInfo};

use crate::{
    java_order::{self, DEFAULT_BUCKETS},
    table,
    time_text::LocalTime,
};

/// All that `info` says.
pub(crate) fn text(info: &ConsumerRunningInfo, local_time: &LocalTime) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, info, local_time);
    text
}

fn write_all(out: &mut String, info: &ConsumerRunningInfo, local_time: &LocalTime) -> fmt::Result {
    write_properties(out, info)?;
    write_subscriptions(out, info)?;
    write_offsets(out, info)?;
    write_queues(out, info, local_time)?;
    write_rates(out, info)?;
    writeln!(out, "\n\n#User Consume Info#")?;
    for (name, value) in &info.user_consumer_info {
        writeln!(out, "{name:<40}: {value}")?;
    }
    if let Some(stacks) = &info.jstack {
        write!(out, "\n\n#Consumer jstack#\n{stacks}")?;
    }
    Ok(())
}

fn write_properties(out: &mut String, info: &ConsumerRunningInfo) -> fmt::Result {
    writeln!(out, "#Consumer Properties#")?;
    let mut properties: Vec<_> = info.properties.iter().collect();
    java_order::sort_by_key(&mut properties, DEFAULT_BUCKETS, |(name, _)| name);
    for (name, value) in properties {
        writeln!(out, "{name:<40}: {value}")?;
    }
    Ok(())
}

fn write_subscriptions(out: &mut String, info: &ConsumerRunningInfo) -> fmt::Result {
    writeln!(out, "\n\n#Consumer Subscription#")?;
    for (index, subscription) in info.subscription_set.iter().enumerate() {
        writeln!(
            out,
            "{:03} Topic: {:<40} ClassFilter: {:<8} SubExpression: {}",
            index + 1,
            subscription.topic,
            subscription.class_filter_mode,
            subscription.sub_string
        )?;
    }
    Ok(())
}

fn write_offsets(out: &mut String, info: &ConsumerRunningInfo) -> fmt::Result {
    writeln!(out, "\n\n#Consumer Offset#")?;
    writeln!(out, "{:<64}  {:<32}  {:<4}  {:<20}", "#Topic", "#Broker Name", "#QID", "#Consumer Offset")?;
    for (queue, state) in &info.mq_table {
        let (topic, broker_name, id) = (&queue.topic, &queue.broker_name, queue.queue_id);
        writeln!(out, "{topic:<32}  {broker_name:<32}  {id:<4}  {:<20}", state.commit_offset)?;
    }
    Ok(())
}

fn write_queues(out: &mut String, info: &ConsumerRunningInfo, local_time: &LocalTime) -> fmt::Result {
    writeln!(out, "\n\n#Consumer MQ Detail#")?;
    writeln!(out, "{:<64}  {:<32}  {:<4}  {:<20}", "#Topic", "#Broker Name", "#QID", "#ProcessQueueInfo")?;
    for (queue, state) in &info.mq_table {
        let (topic, broker_name, id) = (&queue.topic, &queue.broker_name, queue.queue_id);
        writeln!(out, "{topic:<64}  {broker_name:<32}  {id:<4}  {}", process_queue(state, local_time))?;
    }
    writeln!(out, "\n\n#Consumer Pop Detail#")?;
    writeln!(out, "{:<32}  {:<32}  {:<4}  {:<20}", "#Topic", "#Broker Name", "#QID", "#ProcessQueueInfo")?;
    for (queue, state) in &info.mq_pop_table {
        let (topic, broker_name, id) = (&queue.topic, &queue.broker_name, queue.queue_id);
        writeln!(
            out,
            "{topic:<32}  {broker_name:<32}  {id:<4}  PopProcessQueueInfo [waitAckCount:{}, droped:{}, \
             lastPopTimestamp:{}]",
            state.wait_ack_count, state.droped, state.last_pop_timestamp
        )?;
    }
    Ok(())
}

fn process_queue(state: &ProcessQueueInfo, local_time: &LocalTime) -> String {
    let time = |at: i64| local_time.to_compact_millis(Timestamp(at));
    format!(
        "ProcessQueueInfo [commitOffset={}, cachedMsgMinOffset={}, cachedMsgMaxOffset={}, cachedMsgCount={}, \
         cachedMsgSizeInMiB={}, transactionMsgMinOffset={}, transactionMsgMaxOffset={}, transactionMsgCount={}, \
         locked={}, tryUnlockTimes={}, lastLockTimestamp={}, droped={}, lastPullTimestamp={}, \
         lastConsumeTimestamp={}]",
        state.commit_offset,
        state.cached_msg_min_offset,
        state.cached_msg_max_offset,
        state.cached_msg_count,
        state.cached_msg_size_in_mi_b,
        state.transaction_msg_min_offset,
        state.transaction_msg_max_offset,
        state.transaction_msg_count,
        state.locked,
        state.try_unlock_times,
        time(state.last_lock_timestamp),
        state.droped,
        time(state.last_pull_timestamp),
        time(state.last_consume_timestamp),
    )
}

fn write_rates(out: &mut String, info: &ConsumerRunningInfo) -> fmt::Result {
    writeln!(out, "\n\n#Consumer RT&TPS#")?;
    writeln!(
        out,
        "{:<64}  {:>14} {:>14} {:>14} {:>14} {:>18} {:>25}",
        "#Topic",
        "#Pull RT",
        "#Pull TPS",
        "#Consume RT",
        "#ConsumeOK TPS",
        "#ConsumeFailed TPS",
        "#ConsumeFailedMsgsInHour"
    )?;
    for (topic, rates) in &info.status_table {
        let two = |value: f64| table::fixed(value, 2);
        writeln!(
            out,
            "{topic:<32}  {:>14} {:>14} {:>14} {:>14} {:>18} {:>25}",
            two(rates.pull_rt),
            two(rates.pull_tps),
            two(rates.consume_rt),
            two(rates.consume_ok_tps),
            two(rates.consume_failed_tps),
            rates.consume_failed_msgs
        )?;
    }
    Ok(())
}
