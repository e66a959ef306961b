//! Half messages of transactions, which wait in the half topic until their producer says what becomes of them.

use eruca_message::{
    properties::{
        MAX_PROPERTIES_LEN_BYTES, PRODUCER_GROUP, REAL_QUEUE_ID, REAL_TOPIC, TRANSACTION_ID, UNIQUE_KEY,
    },
    sys_flag,
    transaction::Half,
};
use eruca_protocol::ResponseCode;
use eruca_store::{AppendMessage, Appended};

use super::{
    admission::Destination,
    header::SendHeader,
    properties::{Asked, rewrite},
    send_message::{Send, SendMessageHandler},
};
use crate::{config::BrokerConfig, reply::HandlerError, transaction::CHECK_TIMES_ROOM_BYTES};

impl SendMessageHandler {
    /// Whether the message is a half message: its properties decide, as in Java, and not its flags. One that is sent to be
    /// retried was one, and is none any more.
    pub(super) fn is_half(
        &self,
        header: &SendHeader<'_>,
        asked: &Asked<'_>,
        destination: &Destination,
        config: &BrokerConfig,
    ) -> Result<bool, HandlerError> {
        if !asked.is_half {
            let flags = sys_flag::transaction(header.sys_flag);
            return match flags {
                0 | sys_flag::TRANSACTION_COMMIT => Ok(false),
                _ => Err(HandlerError::new(
                    ResponseCode::MESSAGE_ILLEGAL,
                    format!(
                        "sysFlag={} says that the message is part of a transaction, its properties do not: set the property TRAN_MSG=true \
                         for a half message, or clear the bits {}",
                        header.sys_flag,
                        sys_flag::TRANSACTION_MASK
                    ),
                )),
            };
        }
        let delays = asked.delay_level.is_some_and(|level| level != "0");
        if destination.is_dead_letter || header.reconsume_times > 0 && delays {
            return Ok(false);
        }
        match config.reject_transaction_message {
            true => Err(HandlerError::no_permission(format!(
                "the broker[{}] sending transaction message is forbidden: its rejectTransactionMessage is true; set it to false, or send to another \
                 broker",
                self.store_host.ip()
            ))),
            false => Ok(true),
        }
    }

    /// Stores a half message; `properties` are those of the message with the broker's own.
    pub(super) fn append_half(
        &self,
        send: &Send<'_, '_>,
        destination: &Destination,
        properties: &mut Vec<u8>,
    ) -> Result<Appended, HandlerError> {
        let Send { caller, request, header, config, now, .. } = *send;
        let (topic, queue_id) = (destination.topic.topic_name.as_str(), destination.queue_id);
        rewrite(properties, |properties| {
            // What could not be parked when it is committed is refused now, while its producer still listens.
            self.parking.park(&mut properties.clone(), topic, queue_id, now)?;
            if let Some(id) = properties.get(UNIQUE_KEY).map(str::to_owned) {
                properties.set(TRANSACTION_ID, id);
            }
            if properties.get(PRODUCER_GROUP).is_none() {
                properties.set(PRODUCER_GROUP, header.producer_group);
            }
            properties.set(REAL_TOPIC, topic);
            properties.set(REAL_QUEUE_ID, queue_id.to_string());
            Ok::<(), HandlerError>(())
        })?;
        let limit = MAX_PROPERTIES_LEN_BYTES - CHECK_TIMES_ROOM_BYTES;
        if properties.len() > limit {
            let cause = format!(
                "the half message's properties have {} bytes, the limit is {limit}: send less in properties or move it to the body",
                properties.len()
            );
            return Err(HandlerError::message_illegal(config.max_message_size, cause));
        }
        let half = Half::of_properties(properties)
            .map_err(|why| HandlerError::new(ResponseCode::MESSAGE_ILLEGAL, why.to_string()))?;
        let message = AppendMessage { properties, ..self.message(caller, request, header) };
        self.transactions.prepare(&message, &half)
    }
}

/// The flags of a message that is none of a transaction any more.
pub(super) fn flags_without_transaction(header: &SendHeader<'_>, asked: &Asked<'_>) -> i32 {
    match asked.is_half {
        true => header.sys_flag & !sys_flag::TRANSACTION_MASK,
        false => header.sys_flag,
    }
}
