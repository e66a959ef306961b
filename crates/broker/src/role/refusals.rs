//! What a slave refuses: with Java's codes and words, and which broker to ask instead.

use eruca_protocol::{RequestCode, ResponseCode};

use crate::{HandlerError, config::BrokerConfig};

/// What clients of Java's brokers know as "try another broker".
const BUSY: &str = "[REJECTREQUEST]system busy, start flow control for a while";

/// Why a broker that is no master does not serve requests of this code; `None` where it does.
pub(crate) fn refused_by_slave(code: RequestCode, config: &BrokerConfig) -> Option<HandlerError> {
    use RequestCode as Code;
    let busy = |why: &str| HandlerError::new(ResponseCode::SYSTEM_BUSY, format!("{BUSY}: {why}"));
    match code {
        Code::SEND_MESSAGE
        | Code::SEND_MESSAGE_V2
        | Code::SEND_BATCH_MESSAGE
        | Code::CONSUMER_SEND_MSG_BACK
            if !config.enable_slave_acting_master =>
        {
            Some(busy("messages are put to the slave, which takes none; send to the master of its group"))
        }
        Code::PULL_MESSAGE | Code::LITE_PULL_MESSAGE if !config.slave_read_enable => Some(busy(
            "this broker is a slave with slaveReadEnable=false; pull from the master, or set slaveReadEnable=true on all \
             brokers of the group",
        )),
        Code::END_TRANSACTION => Some(HandlerError::new(
            ResponseCode::SLAVE_NOT_AVAILABLE,
            "this broker is a slave, transactions are ended by the master of its group",
        )),
        Code::RECALL_MESSAGE => Some(HandlerError::new(
            ResponseCode::SLAVE_NOT_AVAILABLE,
            "recall failed, broker service not available: it is a slave, ask the master of its group",
        )),
        Code::INVOKE_BROKER_TO_RESET_OFFSET | Code::CLONE_GROUP_OFFSET => Some(HandlerError::system_error(
            "Can not reset offset in slave broker, ask the master of its group",
        )),
        // Java 5 takes them, and has them overwritten by its master's some seconds later.
        Code::UPDATE_AND_CREATE_TOPIC
        | Code::UPDATE_AND_CREATE_TOPIC_LIST
        | Code::DELETE_TOPIC_IN_BROKER
        | Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP
        | Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST
        | Code::DELETE_SUBSCRIPTIONGROUP
        | Code::UPDATE_AND_GET_GROUP_FORBIDDEN
        | Code::SET_MESSAGE_REQUEST_MODE => Some(HandlerError::system_error(
            "Can't modify topic or subscription group from slave broker, please execute it from master broker.",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slave_takes_nothing_and_lets_read_where_it_may() {
        let config = BrokerConfig::default();
        for (code, answer) in [
            (RequestCode::SEND_MESSAGE_V2, ResponseCode::SYSTEM_BUSY),
            (RequestCode::CONSUMER_SEND_MSG_BACK, ResponseCode::SYSTEM_BUSY),
            (RequestCode::PULL_MESSAGE, ResponseCode::SYSTEM_BUSY),
            (RequestCode::END_TRANSACTION, ResponseCode::SLAVE_NOT_AVAILABLE),
            (RequestCode::RECALL_MESSAGE, ResponseCode::SLAVE_NOT_AVAILABLE),
            (RequestCode::UPDATE_AND_CREATE_TOPIC, ResponseCode::SYSTEM_ERROR),
            (RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, ResponseCode::SYSTEM_ERROR),
        ] {
            assert_eq!(refused_by_slave(code, &config).map(|error| error.code), Some(answer), "{code}");
        }
        let readable = BrokerConfig { slave_read_enable: true, ..config };
        for code in
            [RequestCode::PULL_MESSAGE, RequestCode::QUERY_MESSAGE, RequestCode::UPDATE_CONSUMER_OFFSET]
        {
            assert!(refused_by_slave(code, &readable).is_none(), "{code}");
        }
    }
}
