//! All response codes of RocketMQ 5.5.0 and before (stable: they are on the wire).

use std::fmt;

macro_rules! response_codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl ResponseCode {
            $(#[doc = $doc] pub const $name: ResponseCode = ResponseCode($code);)*

            /// Name of the code as Java writes it; `None` for an unknown one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some(stringify!($name)),)* _ => None }
            }
        }
    };
}

/// How a request ended. Unknown codes are kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode(pub i32);

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

response_codes! {
    RPC_TIME_OUT = -1006, "Internal rpc client.";
    RPC_SEND_TO_CHANNEL_FAILED = -1004, "Internal rpc client.";
    RPC_ADDR_IS_NULL = -1002, "Internal rpc client.";
    RPC_UNKNOWN = -1000, "Internal rpc client.";
    SUCCESS = 0, "Ok.";
    SYSTEM_ERROR = 1, "Generic failure, text in remark; client send path retries another broker.";
    SYSTEM_BUSY = 2, "Flow control / queue full / page cache busy; client send path retries.";
    REQUEST_CODE_NOT_SUPPORTED = 3, "No processor for code.";
    TRANSACTION_FAILED = 4, "Transaction step failed.";
    FLUSH_DISK_TIMEOUT = 10, "Sync flush not finished in syncFlushTimeout; message stored.";
    SLAVE_NOT_AVAILABLE = 11, "Sync master without usable slave; message stored.";
    FLUSH_SLAVE_TIMEOUT = 12, "Slave ack not within slaveTimeout; message stored.";
    MESSAGE_ILLEGAL = 13, "Body/topic/property size or content rejected.";
    SERVICE_NOT_AVAILABLE = 14, "Store not writable (disk full, slave, shutting down).";
    VERSION_NOT_SUPPORTED = 15, "Proxy-remoting: client or request version not supported.";
    NO_PERMISSION = 16, "Perm bit missing, auth denied, forbidden config change.";
    TOPIC_NOT_EXIST = 17, "No such topic; route lookup miss.";
    TOPIC_EXIST_ALREADY = 18, "Unused by broker.";
    PULL_NOT_FOUND = 19, "No message at offset.";
    PULL_RETRY_IMMEDIATELY = 20, "Retry pull from nextBeginOffset.";
    PULL_OFFSET_MOVED = 21, "Offset below the first or beyond the last; use nextBeginOffset.";
    QUERY_NOT_FOUND = 22, "No result (offset, index, kv).";
    SUBSCRIPTION_PARSE_FAILED = 23, "Bad filter expression.";
    SUBSCRIPTION_NOT_EXIST = 24, "Broker has no subscription of group for topic.";
    SUBSCRIPTION_NOT_LATEST = 25, "Broker subscription version older than the pull subVersion.";
    SUBSCRIPTION_GROUP_NOT_EXIST = 26, "Group unknown and auto create off.";
    FILTER_DATA_NOT_EXIST = 27, "No compiled filter for group.";
    FILTER_DATA_NOT_LATEST = 28, "Compiled filter older than client version.";
    INVALID_PARAMETER = 29, "Bad header/body value.";
    TRANSACTION_SHOULD_COMMIT = 200, "Legacy.";
    TRANSACTION_SHOULD_ROLLBACK = 201, "Legacy.";
    TRANSACTION_STATE_UNKNOW = 202, "Legacy.";
    TRANSACTION_STATE_GROUP_WRONG = 203, "Legacy.";
    NO_BUYER_ID = 204, "Legacy.";
    NOT_IN_CURRENT_UNIT = 205, "Legacy unit routing.";
    CONSUMER_NOT_ONLINE = 206, "No live consumer of group.";
    CONSUME_MSG_TIMEOUT = 207, "Direct consume call timed out.";
    NO_MESSAGE = 208, "No message (pop/peek/others).";
    POLLING_FULL = 209, "Too many parked pop polls.";
    POLLING_TIMEOUT = 210, "Pop long poll ended empty.";
    BROKER_NOT_EXIST = 211, "Unknown broker.";
    BROKER_DISPATCH_NOT_COMPLETE = 212, "Consume queue not caught up to commit log.";
    BROADCAST_CONSUMPTION = 213, "Operation not valid for broadcast group.";
    FLOW_CONTROL = 215, "Throttled; Java consumers handle it on pull like a short back-off.";
    NOT_LEADER_FOR_QUEUE = 501, "Static topic: queue mapped elsewhere.";
    ILLEGAL_OPERATION = 604, "Operation not allowed in this state.";
    GO_AWAY = 1500, "Server is shutting down; client should reconnect and resend.";
    CONTROLLER_FENCED_MASTER_EPOCH = 2000, "Controller mode: fenced master epoch.";
    CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH = 2001, "Controller mode: fenced sync state set epoch.";
    CONTROLLER_INVALID_MASTER = 2002, "Controller mode: invalid master.";
    CONTROLLER_INVALID_REPLICAS = 2003, "Controller mode: invalid replicas.";
    CONTROLLER_MASTER_NOT_AVAILABLE = 2004, "Controller mode: master not available.";
    CONTROLLER_INVALID_REQUEST = 2005, "Controller mode: invalid request.";
    CONTROLLER_BROKER_NOT_ALIVE = 2006, "Controller mode: broker not alive.";
    CONTROLLER_NOT_LEADER = 2007, "Controller mode: not leader.";
    CONTROLLER_BROKER_METADATA_NOT_EXIST = 2008, "Controller mode: broker metadata not exist.";
    CONTROLLER_INVALID_CLEAN_BROKER_METADATA = 2009, "Controller mode: invalid clean broker metadata.";
    CONTROLLER_BROKER_NEED_TO_BE_REGISTERED = 2010, "Controller mode: broker need to be registered.";
    CONTROLLER_MASTER_STILL_EXIST = 2011, "Controller mode: master still exist.";
    CONTROLLER_ELECT_MASTER_FAILED = 2012, "Controller mode: elect master failed.";
    CONTROLLER_ALTER_SYNC_STATE_SET_FAILED = 2013, "Controller mode: alter sync state set failed.";
    CONTROLLER_BROKER_ID_INVALID = 2014, "Controller mode: broker id invalid.";
    CONTROLLER_JRAFT_INTERNAL_ERROR = 2015, "Controller mode: jraft internal error.";
    CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS = 2016, "Controller mode: broker live info not exists.";
    LMQ_QUOTA_EXCEEDED = 2017, "Light-queue count limit reached.";
    LITE_SUBSCRIPTION_QUOTA_EXCEEDED = 2018, "Lite subscription limit reached.";
    USER_NOT_EXIST = 3001, "Auth.";
    POLICY_NOT_EXIST = 3002, "Auth.";
}
