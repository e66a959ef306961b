//! Noting pops and acknowledgements in the log, from where they reach the revive topic when the invisible time ends.

use std::{net::SocketAddr, sync::Arc};

use eruca_message::{
    Properties, Record, Timestamp,
    names::revive_topic,
    properties::{self, TAGS, TIMER_DELIVER_MS, UNIQUE_KEY},
};
use eruca_store::{AppendMessage, Appended, MessageStore};

use super::{
    record::{
        BadRecord, ReviveRecord, TAG_ACK, TAG_BATCH_ACK, TAG_CHECK_POINT, acks_unique_key,
        check_point_unique_key, decode, encode_acks, encode_check_point,
    },
    state::{CheckPoint, PopKey},
};
use crate::{HandlerError, delay::Parking};

/// A check point's record is delivered so long before its messages become visible (Java:
/// `PopAckConstants.ackTimeInterval`), so that it stands before those of the acknowledgements.
pub(crate) const CHECK_POINT_LEAD_MS: i64 = 1_000;

/// Appends the records of pops. They are staged with whatever else is appended, and go to the kernel with one write.
#[derive(Debug)]
pub(super) struct PopLog {
    store: Arc<MessageStore>,
    parking: Arc<Parking>,
    topic: String,
    broker_name: String,
    store_host: SocketAddr,
}

impl PopLog {
    pub(super) fn new(
        store: Arc<MessageStore>,
        parking: Arc<Parking>,
        cluster_name: &str,
        broker_name: &str,
        store_host: SocketAddr,
    ) -> Self {
        let topic = revive_topic(cluster_name);
        PopLog { store, parking, topic, broker_name: broker_name.to_owned(), store_host }
    }

    /// The revive topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It says nothing that could be done.
    pub(super) fn read(&self, record: &Record<'_>) -> Result<ReviveRecord, BadRecord> {
        let fields = &record.fields;
        // A broker writes its own in its own name, which may have been another one then.
        let was_sent = fields.born_host != fields.store_host;
        let tag = properties::find_str(fields.properties, TAGS).unwrap_or_default();
        decode(tag, fields.body, was_sent.then_some(self.broker_name.as_str()))
    }

    pub(super) fn check_point(
        &self,
        check_point: &CheckPoint,
        revive_queue: i32,
        now: Timestamp,
    ) -> Result<Appended, HandlerError> {
        let body = encode_check_point(check_point, &self.broker_name);
        let unique = check_point_unique_key(&check_point.key, &self.broker_name);
        let deliver_at = check_point.due().add_ms(-CHECK_POINT_LEAD_MS);
        self.append(TAG_CHECK_POINT, &body, unique, deliver_at, revive_queue, now)
    }

    /// `offsets` of a pop were consumed; `due` is when they would have become visible.
    pub(super) fn acks(
        &self,
        key: &PopKey,
        offsets: &[i64],
        due: Timestamp,
        revive_queue: i32,
        now: Timestamp,
    ) -> Result<Appended, HandlerError> {
        let body = encode_acks(key, offsets, &self.broker_name);
        let tag = if offsets.len() == 1 { TAG_ACK } else { TAG_BATCH_ACK };
        let unique = acks_unique_key(key, offsets, &self.broker_name);
        self.append(tag, &body, unique, due, revive_queue, now)
    }

    fn append(
        &self,
        tag: &str,
        body: &[u8],
        unique_key: String,
        deliver_at: Timestamp,
        revive_queue: i32,
        now: Timestamp,
    ) -> Result<Appended, HandlerError> {
        let mut properties = Properties::new();
        properties.set(TIMER_DELIVER_MS, deliver_at.0.to_string());
        properties.set(UNIQUE_KEY, unique_key);
        properties.set(TAGS, tag);
        let message = AppendMessage {
            topic: &self.topic,
            queue_id: revive_queue,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now,
            born_host: self.store_host,
            store_host: self.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties: &properties.to_bytes(),
        };
        self.parking.append(&self.store, &message, now)
    }
}
