//! The records, and how they are written.

use crate::Timestamp;

/// Ends a field.
pub(super) const FIELD_END: char = '\u{1}';
/// Ends a record.
pub(super) const RECORD_END: char = '\u{2}';
/// How Java writes what there is not.
pub(super) const NOTHING: &str = "null";
/// The region of brokers that do not name theirs.
pub const DEFAULT_REGION: &str = "DefaultRegion";

/// What kind of message was sent; the number on the wire is Java's ordinal of `MessageType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum TraceKind {
    /// None of the others.
    #[default]
    Normal = 0,
    /// The half message of a transaction.
    Half = 1,
    /// The end of a transaction.
    TransactionEnd = 2,
    /// A message with a delay or a time of delivery.
    Delayed = 3,
    /// A message of an ordered topic; no client writes it today.
    Ordered = 4,
}

/// How a call of a listener ended; the number on the wire is Java's ordinal of `ConsumeReturnType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(i32)]
pub enum TraceOutcome {
    /// Well.
    #[default]
    Success = 0,
    /// After its time.
    TimedOut = 1,
    /// By an exception (here: a panic).
    Exception = 2,
    /// Without saying how.
    Nothing = 3,
    /// It says that it failed.
    Failed = 4,
}

/// What a producer said of its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TraceTransactionState {
    /// `COMMIT_MESSAGE`
    Commit,
    /// `ROLLBACK_MESSAGE`
    Rollback,
    /// `UNKNOW`, as Java spells it.
    Unknown,
}

/// One record. Texts must not hold 0x01 or 0x02; where they do, a blank is written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceRecord {
    /// A message was sent.
    Pub {
        /// When its send began.
        time: Timestamp,
        /// Region of the broker.
        region: String,
        /// Producer group.
        group: String,
        /// Its topic.
        topic: String,
        /// The id that its producer gave it.
        message_id: String,
        /// Its tags.
        tags: Option<String>,
        /// Its keys, separated by blanks.
        keys: Option<String>,
        /// The broker that it was sent to.
        store_host: String,
        /// Bytes of its body, as sent.
        body_len_bytes: i32,
        /// How long the send took.
        cost_ms: i32,
        /// What kind of message it is.
        kind: TraceKind,
        /// The id that the broker gave it; old clients do not write it.
        offset_message_id: String,
        /// Whether it is as safe as the broker is to keep it.
        is_success: bool,
        /// The producer's host; newer clients do not write it.
        client_host: Option<String>,
    },
    /// A message was given to a listener.
    SubBefore {
        /// When.
        time: Timestamp,
        /// Region of the broker that stored it.
        region: String,
        /// Consumer group.
        group: String,
        /// What this record has in common with the call's `SubAfter`.
        request_id: String,
        /// The message's id.
        message_id: String,
        /// How often it was sent back before.
        retry_times: i32,
        /// Its keys.
        keys: Option<String>,
    },
    /// The listener is done with it.
    SubAfter {
        /// That of the `SubBefore`.
        request_id: String,
        /// The message's id.
        message_id: String,
        /// How long the call took, divided by its messages.
        cost_ms: i32,
        /// Whether the message is done with.
        is_success: bool,
        /// Its keys.
        keys: Option<String>,
        /// How the call ended.
        outcome: TraceOutcome,
        /// When, and the consumer group; a cloud's clients do not write them.
        by: Option<(Timestamp, String)>,
    },
    /// A producer ended a transaction.
    EndTransaction {
        /// When.
        time: Timestamp,
        /// Region of the broker.
        region: String,
        /// Producer group.
        group: String,
        /// The message's topic.
        topic: String,
        /// Its id.
        message_id: String,
        /// Its tags.
        tags: Option<String>,
        /// Its keys.
        keys: Option<String>,
        /// The broker that was told.
        store_host: String,
        /// Always [`TraceKind::TransactionEnd`] from today's clients.
        kind: TraceKind,
        /// Id of the transaction.
        transaction_id: Option<String>,
        /// What the broker was told.
        state: TraceTransactionState,
        /// Whether it had asked.
        from_check: bool,
    },
    /// A producer took a message back.
    Recall {
        /// When.
        time: Timestamp,
        /// Region of the broker.
        region: String,
        /// Producer group.
        group: String,
        /// The message's topic.
        topic: String,
        /// Its id.
        message_id: String,
        /// Whether the broker did it.
        is_success: bool,
    },
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Of a kind that no client writes.
    #[error("trace record of kind '{kind}': there are Pub, SubBefore, SubAfter, EndTransaction and Recall")]
    Kind {
        /// The beginning of its first field.
        kind: String,
    },
    /// It ends too early.
    #[error("trace record {kind} has no field '{field}': it has {len} fields")]
    Short {
        /// Its kind.
        kind: &'static str,
        /// What is missing.
        field: &'static str,
        /// How many fields there are.
        len: usize,
    },
    /// A field is not what it should be.
    #[error("trace record {kind}: {field} is '{value}', it must be {expected}")]
    Field {
        /// The record's kind.
        kind: &'static str,
        /// The field.
        field: &'static str,
        /// The beginning of its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl TraceRecord {
    /// The id of the message that it tells of.
    pub fn message_id(&self) -> &str {
        match self {
            TraceRecord::Pub { message_id, .. }
            | TraceRecord::SubBefore { message_id, .. }
            | TraceRecord::SubAfter { message_id, .. }
            | TraceRecord::EndTransaction { message_id, .. }
            | TraceRecord::Recall { message_id, .. } => message_id,
        }
    }

    /// The words by which it is to be found: the message's id and its keys.
    pub fn index_keys(&self) -> impl Iterator<Item = &str> {
        let keys = match self {
            TraceRecord::Pub { keys, .. }
            | TraceRecord::SubBefore { keys, .. }
            | TraceRecord::SubAfter { keys, .. }
            | TraceRecord::EndTransaction { keys, .. } => keys.as_deref(),
            TraceRecord::Recall { .. } => None,
        };
        let keys = keys.unwrap_or_default().split(' ').filter(|key| !key.is_empty());
        std::iter::once(self.message_id()).chain(keys)
    }

    /// Appends it to a body.
    pub fn encode(&self, body: &mut String) {
        let mut line = Line { body, is_first: true };
        match self {
            TraceRecord::Pub {
                time,
                region,
                group,
                topic,
                message_id,
                tags,
                keys,
                store_host,
                body_len_bytes,
                cost_ms,
                kind,
                offset_message_id,
                is_success,
                client_host,
            } => {
                line.text("Pub").number(time.0).text(region).text(group).text(topic).text(message_id);
                line.optional(tags).optional(keys).text(store_host).number(i64::from(*body_len_bytes));
                line.number(i64::from(*cost_ms))
                    .number(*kind as i64)
                    .text(offset_message_id)
                    .flag(*is_success);
                if let Some(host) = client_host {
                    line.text(host);
                }
            }
            TraceRecord::SubBefore { time, region, group, request_id, message_id, retry_times, keys } => {
                line.text("SubBefore")
                    .number(time.0)
                    .text(region)
                    .text(group)
                    .text(request_id)
                    .text(message_id);
                line.number(i64::from(*retry_times)).optional(keys);
            }
            TraceRecord::SubAfter { request_id, message_id, cost_ms, is_success, keys, outcome, by } => {
                line.text("SubAfter").text(request_id).text(message_id).number(i64::from(*cost_ms));
                line.flag(*is_success).optional(keys).number(*outcome as i64);
                match by {
                    Some((time, group)) => line.number(time.0).text(group),
                    None => line.text(""),
                };
            }
            TraceRecord::EndTransaction {
                time,
                region,
                group,
                topic,
                message_id,
                tags,
                keys,
                store_host,
                kind,
                transaction_id,
                state,
                from_check,
            } => {
                line.text("EndTransaction").number(time.0).text(region).text(group).text(topic);
                line.text(message_id).optional(tags).optional(keys).text(store_host).number(*kind as i64);
                line.optional(transaction_id).text(state.name()).flag(*from_check);
            }
            TraceRecord::Recall { time, region, group, topic, message_id, is_success } => {
                line.text("Recall").number(time.0).text(region).text(group).text(topic);
                line.text(message_id).flag(*is_success);
            }
        }
        body.push(RECORD_END);
    }
}

impl TraceTransactionState {
    fn name(self) -> &'static str {
        match self {
            TraceTransactionState::Commit => "COMMIT_MESSAGE",
            TraceTransactionState::Rollback => "ROLLBACK_MESSAGE",
            TraceTransactionState::Unknown => "UNKNOW",
        }
    }
}

/// Writes the fields of a record.
struct Line<'a> {
    body: &'a mut String,
    is_first: bool,
}

impl Line<'_> {
    fn text(&mut self, text: &str) -> &mut Self {
        if !std::mem::replace(&mut self.is_first, false) {
            self.body.push(FIELD_END);
        }
        let end = |c| c == FIELD_END || c == RECORD_END;
        if text.contains(end) {
            self.body.push_str(&text.replace(end, " "))
        } else {
            self.body.push_str(text)
        }
        self
    }

    fn optional(&mut self, text: &Option<String>) -> &mut Self {
        // An empty last field would make a Java reader lose count.
        self.text(text.as_deref().filter(|text| !text.is_empty()).unwrap_or(NOTHING))
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.text(&number.to_string())
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        self.text(if flag { "true" } else { "false" })
    }
}
