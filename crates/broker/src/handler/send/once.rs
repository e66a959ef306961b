//! Sends to a topic that stores each message once.

use std::borrow::Cow;

use bytes::Bytes;
use eruca_message::{
    BatchEntry, LogOffset, Properties, decode_batch, encode_batch_entry, properties::UNIQUE_KEY, sys_flag,
};
use eruca_store::Appended;

use super::{
    admission::Destination,
    send_message::{Send, SendMessageHandler, Stored},
};
use crate::{
    idempotence::{Earlier, TopicSends},
    reply::HandlerError,
    topics::has_batch_queues,
};

impl SendMessageHandler {
    /// Stores what was sent, but for messages that are stored already: of them the place is told again.
    ///
    /// Half messages of transactions are always stored: one that was rolled back may be sent again.
    pub(super) fn append_once<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &mut Destination,
        window_ms: i64,
    ) -> Result<Stored<'a>, HandlerError> {
        let topic = destination.topic.clone();
        let is_one_record =
            !send.header.is_batch || (send.asked.unique_key.is_some() && has_batch_queues(&topic));
        let is_half = send.asked.is_half
            || sys_flag::transaction(send.header.sys_flag) == sys_flag::TRANSACTION_PREPARED;
        if is_half || (is_one_record && send.asked.unique_key.is_none()) {
            return self.append_new(send, destination);
        }
        self.idempotent.of_topic(&topic.topic_name, window_ms, send.now, |sends| match is_one_record {
            true => self.append_record_once(send, destination, sends),
            false => self.append_batch_once(send, destination, sends),
        })
    }

    fn append_record_once<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &mut Destination,
        sends: &mut TopicSends<'_>,
    ) -> Result<Stored<'a>, HandlerError> {
        let unique_key = send.asked.unique_key.unwrap_or_default();
        let Some(earlier) = sends.earlier(unique_key, &send.request.body)? else {
            let stored = self.append_new(send, destination)?;
            sends.note(unique_key, stored.first.log_offset);
            return Ok(stored);
        };
        destination.queue_id = earlier.queue_id;
        let first = place(&earlier);
        let message_ids = self.message_ids(&[first]);
        Ok(Stored {
            first,
            log_offset_end: first.log_offset_end,
            message_ids,
            is_inner_batch: send.header.is_batch,
            deliver_at: earlier.deliver_at,
            ..self.nothing_new(send)
        })
    }

    fn nothing_new<'a>(&self, send: &Send<'_, 'a>) -> Stored<'a> {
        Stored {
            first: Appended::default(),
            log_offset_end: LogOffset(0),
            messages: 0,
            bytes: 0,
            batch: Vec::new(),
            message_ids: String::new(),
            unique_key: Cow::Borrowed(send.asked.unique_key.unwrap_or_default()),
            is_inner_batch: false,
            is_half: false,
            deliver_at: None,
        }
    }

    /// Of a batch, those messages are stored that are not yet: a client may put a message that it tries again into
    /// another batch.
    fn append_batch_once<'a>(
        &self,
        send: &Send<'_, 'a>,
        destination: &mut Destination,
        sends: &mut TopicSends<'_>,
    ) -> Result<Stored<'a>, HandlerError> {
        let entries = decode_batch(&send.request.body)?;
        let keys: Vec<String> = entries.iter().map(unique_key).collect();
        let mut places = Vec::with_capacity(entries.len());
        for (entry, key) in entries.iter().zip(&keys) {
            // Without an id there is no telling.
            places.push(if key.is_empty() { None } else { sends.earlier(key, entry.body)? });
        }
        let first_place = places.first().copied().flatten();
        let rest: Vec<_> = entries.iter().zip(&places).filter(|(_, place)| place.is_none()).collect();
        let mut stored = match rest.is_empty() && !entries.is_empty() {
            true => self.nothing_new(send),
            false => {
                let mut body = Vec::with_capacity(send.request.body.len());
                rest.iter().try_for_each(|(entry, _)| encode_batch_entry(entry, &mut body))?;
                let request = send.request.clone().with_body(Bytes::from(body));
                self.append_new(&Send { request: &request, ..*send }, destination)?
            }
        };
        let mut new = std::mem::take(&mut stored.batch).into_iter();
        for (key, earlier) in keys.iter().zip(&places) {
            let placed = match earlier {
                Some(earlier) => place(earlier),
                None => {
                    // As many were placed as were left over.
                    let Some(placed) = new.next() else { break };
                    sends.note(key, placed.log_offset);
                    placed
                }
            };
            stored.log_offset_end = stored.log_offset_end.max(placed.log_offset_end);
            stored.batch.push(placed);
        }
        stored.first = stored.batch.first().copied().unwrap_or(stored.first);
        if let Some(earlier) = first_place {
            destination.queue_id = earlier.queue_id;
        }
        stored.message_ids = self.message_ids(&stored.batch);
        Ok(stored)
    }
}

fn unique_key(entry: &BatchEntry<'_>) -> String {
    Properties::decode(entry.properties).get(UNIQUE_KEY).unwrap_or_default().to_owned()
}

fn place(earlier: &Earlier) -> Appended {
    Appended {
        log_offset: earlier.log_offset,
        log_offset_end: earlier.log_offset_end,
        queue_offset: earlier.queue_offset,
        store_timestamp: earlier.store_timestamp,
    }
}

#[cfg(test)]
#[path = "once_test.rs"]
mod tests;
