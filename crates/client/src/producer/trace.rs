//! What a producer's traces tell: sends, ends of transactions, recalls.

use eruca_message::{
    Properties, Timestamp, decode_batch,
    properties::{
        DELAY_TIME_LEVEL, KEYS, MSG_REGION, TAGS, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS,
        TRACE_SWITCH, TRANSACTION_PREPARED, UNIQUE_KEY,
    },
    trace::{DEFAULT_REGION, TraceKind, TraceRecord, TraceTransactionState},
};
use eruca_protocol::RemotingCommand;
use tokio::time::Instant;

use super::{SendResult, SendStatus, TransactionState, prepare::Prepared, send::Sender};
use crate::trace::Tracer;

/// A send that is traced.
pub(super) struct SendTrace<'a> {
    tracer: &'a Tracer,
    time: Timestamp,
    started: Instant,
}

impl<'a> SendTrace<'a> {
    /// Begins, where this producer traces messages of this topic.
    pub(super) fn begin(sender: &'a Sender, topic: &str) -> Option<SendTrace<'a>> {
        let tracer = sender.tracer.as_deref().filter(|tracer| tracer.traces(topic))?;
        Some(SendTrace { tracer, time: sender.session.now(), started: Instant::now() })
    }

    /// The broker at `addr` stored the message. Failures are not traced, as Java's clients do not.
    ///
    /// Each message of a batch gets a record of its own, by which it is found; Java's clients write one for all, in which no
    /// search finds them.
    pub(super) fn stored(
        self,
        group: &str,
        message: &Prepared,
        addr: &str,
        reply: &RemotingCommand,
        result: &SendResult,
    ) {
        if reply.ext_fields.get(TRACE_SWITCH) == Some("false") {
            return;
        }
        let region = reply.ext_fields.get(MSG_REGION).filter(|region| !region.is_empty());
        let cost_ms = i32::try_from(self.started.elapsed().as_millis()).unwrap_or(i32::MAX);
        let record =
            |properties: &Properties, body_len: usize, message_id: &str, offset_id: &str| TraceRecord::Pub {
                time: self.time,
                region: region.unwrap_or(DEFAULT_REGION).to_owned(),
                group: group.to_owned(),
                topic: message.topic.clone(),
                message_id: message_id.to_owned(),
                tags: properties.get(TAGS).map(str::to_owned),
                keys: properties.get(KEYS).map(str::to_owned),
                store_host: addr.to_owned(),
                body_len_bytes: i32::try_from(body_len).unwrap_or(i32::MAX),
                cost_ms,
                kind: kind_of(properties),
                offset_message_id: offset_id.to_owned(),
                is_success: result.status == SendStatus::Ok,
                client_host: None,
            };
        if !message.is_batch {
            let properties = Properties::decode(message.properties.as_bytes());
            let (id, offset_id) = (&result.message_id, &result.offset_message_id);
            self.tracer.append(record(&properties, message.body.len(), id, offset_id));
            return;
        }
        // A batch of our own making: it can be read.
        let mut offset_ids = result.offset_message_id.split(',');
        for entry in decode_batch(&message.body).unwrap_or_default() {
            let properties = Properties::decode(entry.properties);
            let id = properties.get(UNIQUE_KEY).unwrap_or_default().to_owned();
            let offset_id = offset_ids.next().unwrap_or_default();
            self.tracer.append(record(&properties, entry.body.len(), &id, offset_id));
        }
    }
}

fn kind_of(properties: &Properties) -> TraceKind {
    let has = |name| properties.get(name).is_some();
    if [DELAY_TIME_LEVEL, TIMER_DELIVER_MS, TIMER_DELAY_SEC, TIMER_DELAY_MS].into_iter().any(has) {
        TraceKind::Delayed
    } else if properties.get(TRANSACTION_PREPARED) == Some("true") {
        TraceKind::Half
    } else {
        TraceKind::Normal
    }
}

/// The end of a transaction that is traced.
pub(super) struct EndTrace<'a> {
    pub(super) topic: &'a str,
    pub(super) group: &'a str,
    pub(super) message_id: &'a str,
    pub(super) transaction_id: Option<&'a str>,
    pub(super) properties: &'a Properties,
    /// The broker that is told.
    pub(super) addr: &'a str,
    pub(super) state: TransactionState,
    pub(super) from_check: bool,
}

impl Sender {
    /// Traces the end of a transaction.
    pub(super) fn trace_end(&self, end: &EndTrace<'_>) {
        let Some(tracer) = self.tracer.as_deref().filter(|tracer| tracer.traces(end.topic)) else { return };
        let property = |name| end.properties.get(name).map(str::to_owned);
        tracer.append(TraceRecord::EndTransaction {
            time: self.session.now(),
            region: property(MSG_REGION).unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            group: end.group.to_owned(),
            topic: end.topic.to_owned(),
            message_id: end.message_id.to_owned(),
            tags: property(TAGS),
            keys: property(KEYS),
            store_host: end.addr.to_owned(),
            kind: TraceKind::TransactionEnd,
            transaction_id: end.transaction_id.map(str::to_owned),
            state: match end.state {
                TransactionState::Commit => TraceTransactionState::Commit,
                TransactionState::Rollback => TraceTransactionState::Rollback,
                TransactionState::Unknown => TraceTransactionState::Unknown,
            },
            from_check: end.from_check,
        });
    }

    /// Traces a recall that a broker answered.
    pub(super) fn trace_recall(&self, topic: &str, message_id: &str, reply: Option<&RemotingCommand>) {
        let Some(tracer) = self.tracer.as_deref().filter(|tracer| tracer.traces(topic)) else { return };
        let region = reply.and_then(|reply| reply.ext_fields.get(MSG_REGION));
        tracer.append(TraceRecord::Recall {
            time: self.session.now(),
            region: region.unwrap_or(DEFAULT_REGION).to_owned(),
            group: self.settings.group.clone(),
            topic: topic.to_owned(),
            message_id: message_id.to_owned(),
            is_success: reply.is_some(),
        });
    }
}
