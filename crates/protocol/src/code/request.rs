//! All request codes of RocketMQ 5.5.0 and before (stable: they are on the wire).

use std::fmt;

macro_rules! request_codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl RequestCode {
            $(#[doc = $doc] pub const $name: RequestCode = RequestCode($code);)*

            /// Name of the code as Java writes it; `None` for an unknown one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some(stringify!($name)),)* _ => None }
            }

            /// Every known code.
            pub const ALL: &'static [RequestCode] = &[$(RequestCode($code),)*];
        }
    };
}

/// What a request asks for. Unknown codes are kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestCode(pub i32);

impl fmt::Display for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

request_codes! {
    SEND_MESSAGE = 10, "Served by: broker, proxy-remoting.";
    PULL_MESSAGE = 11, "Served by: broker, proxy-remoting.";
    QUERY_MESSAGE = 12, "Served by: broker.";
    QUERY_BROKER_OFFSET = 13, "Served by: nobody any more.";
    QUERY_CONSUMER_OFFSET = 14, "Served by: broker, proxy-remoting.";
    UPDATE_CONSUMER_OFFSET = 15, "Served by: broker, proxy-remoting.";
    UPDATE_AND_CREATE_TOPIC = 17, "Served by: broker.";
    UPDATE_AND_CREATE_TOPIC_LIST = 18, "Served by: broker.";
    GET_ALL_TOPIC_CONFIG = 21, "Served by: broker.";
    GET_TOPIC_CONFIG_LIST = 22, "Served by: nobody any more.";
    GET_TOPIC_NAME_LIST = 23, "Served by: nobody any more.";
    UPDATE_BROKER_CONFIG = 25, "Served by: broker-container, broker.";
    GET_BROKER_CONFIG = 26, "Served by: broker-container, broker.";
    TRIGGER_DELETE_FILES = 27, "Served by: nobody any more.";
    GET_BROKER_RUNTIME_INFO = 28, "Served by: broker.";
    SEARCH_OFFSET_BY_TIMESTAMP = 29, "Served by: broker, proxy-remoting.";
    GET_MAX_OFFSET = 30, "Served by: broker, proxy-remoting.";
    GET_MIN_OFFSET = 31, "Served by: broker, proxy-remoting.";
    GET_EARLIEST_MSG_STORETIME = 32, "Served by: broker.";
    VIEW_MESSAGE_BY_ID = 33, "Served by: broker.";
    HEART_BEAT = 34, "Served by: broker, proxy-remoting.";
    UNREGISTER_CLIENT = 35, "Served by: broker, proxy-remoting.";
    CONSUMER_SEND_MSG_BACK = 36, "Served by: broker, proxy-remoting.";
    END_TRANSACTION = 37, "Served by: broker, proxy-remoting.";
    GET_CONSUMER_LIST_BY_GROUP = 38, "Served by: broker, proxy-remoting.";
    CHECK_TRANSACTION_STATE = 39, "Served by: client.";
    NOTIFY_CONSUMER_IDS_CHANGED = 40, "Served by: client.";
    LOCK_BATCH_MQ = 41, "Served by: broker, proxy-remoting.";
    UNLOCK_BATCH_MQ = 42, "Served by: broker, proxy-remoting.";
    GET_ALL_CONSUMER_OFFSET = 43, "Served by: broker.";
    GET_ALL_DELAY_OFFSET = 45, "Served by: broker.";
    CHECK_CLIENT_CONFIG = 46, "Served by: broker, proxy-remoting.";
    GET_CLIENT_CONFIG = 47, "Served by: nobody any more.";
    GET_TIMER_CHECK_POINT = 60, "Served by: broker.";
    GET_TIMER_METRICS = 61, "Served by: broker.";
    PUT_KV_CONFIG = 100, "Served by: namesrv.";
    GET_KV_CONFIG = 101, "Served by: namesrv.";
    DELETE_KV_CONFIG = 102, "Served by: namesrv.";
    REGISTER_BROKER = 103, "Served by: namesrv.";
    UNREGISTER_BROKER = 104, "Served by: namesrv.";
    GET_ROUTEINFO_BY_TOPIC = 105, "Served by: namesrv, proxy-remoting.";
    GET_BROKER_CLUSTER_INFO = 106, "Served by: namesrv.";
    UPDATE_AND_CREATE_SUBSCRIPTIONGROUP = 200, "Served by: broker.";
    GET_ALL_SUBSCRIPTIONGROUP_CONFIG = 201, "Served by: broker.";
    GET_TOPIC_STATS_INFO = 202, "Served by: broker.";
    GET_CONSUMER_CONNECTION_LIST = 203, "Served by: broker, proxy-remoting.";
    GET_PRODUCER_CONNECTION_LIST = 204, "Served by: broker.";
    WIPE_WRITE_PERM_OF_BROKER = 205, "Served by: namesrv.";
    GET_ALL_TOPIC_LIST_FROM_NAMESERVER = 206, "Served by: namesrv.";
    DELETE_SUBSCRIPTIONGROUP = 207, "Served by: broker.";
    GET_CONSUME_STATS = 208, "Served by: broker.";
    SUSPEND_CONSUMER = 209, "Served by: nobody any more.";
    RESUME_CONSUMER = 210, "Served by: nobody any more.";
    RESET_CONSUMER_OFFSET_IN_CONSUMER = 211, "Served by: nobody any more.";
    RESET_CONSUMER_OFFSET_IN_BROKER = 212, "Served by: nobody any more.";
    ADJUST_CONSUMER_THREAD_POOL = 213, "Served by: nobody any more.";
    WHO_CONSUME_THE_MESSAGE = 214, "Served by: nobody any more.";
    DELETE_TOPIC_IN_BROKER = 215, "Served by: broker.";
    DELETE_TOPIC_IN_NAMESRV = 216, "Served by: namesrv.";
    REGISTER_TOPIC_IN_NAMESRV = 217, "Served by: namesrv.";
    GET_KVLIST_BY_NAMESPACE = 219, "Served by: namesrv.";
    RESET_CONSUMER_CLIENT_OFFSET = 220, "Served by: client.";
    GET_CONSUMER_STATUS_FROM_CLIENT = 221, "Served by: client.";
    INVOKE_BROKER_TO_RESET_OFFSET = 222, "Served by: broker.";
    INVOKE_BROKER_TO_GET_CONSUMER_STATUS = 223, "Served by: broker.";
    GET_TOPICS_BY_CLUSTER = 224, "Served by: namesrv.";
    UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST = 225, "Served by: broker.";
    QUERY_TOPIC_CONSUME_BY_WHO = 300, "Served by: broker.";
    REGISTER_FILTER_SERVER = 301, "Served by: nobody any more.";
    REGISTER_MESSAGE_FILTER_CLASS = 302, "Served by: nobody any more.";
    QUERY_CONSUME_TIME_SPAN = 303, "Served by: broker.";
    GET_SYSTEM_TOPIC_LIST_FROM_NS = 304, "Served by: namesrv.";
    GET_SYSTEM_TOPIC_LIST_FROM_BROKER = 305, "Served by: broker.";
    CLEAN_EXPIRED_CONSUMEQUEUE = 306, "Served by: broker.";
    GET_CONSUMER_RUNNING_INFO = 307, "Served by: client, broker.";
    QUERY_CORRECTION_OFFSET = 308, "Served by: broker.";
    CONSUME_MESSAGE_DIRECTLY = 309, "Served by: client, broker.";
    SEND_MESSAGE_V2 = 310, "Served by: broker, proxy-remoting.";
    GET_UNIT_TOPIC_LIST = 311, "Served by: namesrv.";
    GET_HAS_UNIT_SUB_TOPIC_LIST = 312, "Served by: namesrv.";
    GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST = 313, "Served by: namesrv.";
    CLONE_GROUP_OFFSET = 314, "Served by: broker.";
    VIEW_BROKER_STATS_DATA = 315, "Served by: broker.";
    CLEAN_UNUSED_TOPIC = 316, "Served by: broker.";
    GET_BROKER_CONSUME_STATS = 317, "Served by: broker.";
    UPDATE_NAMESRV_CONFIG = 318, "Served by: namesrv.";
    GET_NAMESRV_CONFIG = 319, "Served by: namesrv.";
    SEND_BATCH_MESSAGE = 320, "Served by: broker, proxy-remoting.";
    QUERY_CONSUME_QUEUE = 321, "Served by: broker.";
    QUERY_DATA_VERSION = 322, "Served by: namesrv.";
    RESUME_CHECK_HALF_MESSAGE = 323, "Served by: broker.";
    SEND_REPLY_MESSAGE = 324, "Served by: broker.";
    SEND_REPLY_MESSAGE_V2 = 325, "Served by: broker.";
    PUSH_REPLY_MESSAGE_TO_CLIENT = 326, "Served by: client.";
    ADD_WRITE_PERM_OF_BROKER = 327, "Served by: namesrv.";
    GET_ALL_PRODUCER_INFO = 328, "Served by: broker.";
    DELETE_EXPIRED_COMMITLOG = 329, "Served by: broker.";
    QUERY_TOPICS_BY_CONSUMER = 343, "Served by: broker.";
    QUERY_SUBSCRIPTION_BY_CONSUMER = 345, "Served by: broker.";
    GET_TOPIC_CONFIG = 351, "Served by: broker.";
    GET_SUBSCRIPTIONGROUP_CONFIG = 352, "Served by: broker.";
    UPDATE_AND_GET_GROUP_FORBIDDEN = 353, "Served by: broker.";
    CHECK_ROCKSDB_CQ_WRITE_PROGRESS = 354, "Served by: broker.";
    EXPORT_ROCKSDB_CONFIG_TO_JSON = 355, "Served by: broker.";
    LITE_PULL_MESSAGE = 361, "Served by: broker, proxy-remoting.";
    RECALL_MESSAGE = 370, "Served by: broker, proxy-remoting.";
    QUERY_ASSIGNMENT = 400, "Served by: broker.";
    SET_MESSAGE_REQUEST_MODE = 401, "Served by: broker.";
    GET_ALL_MESSAGE_REQUEST_MODE = 402, "Served by: broker.";
    UPDATE_AND_CREATE_STATIC_TOPIC = 513, "Served by: broker.";
    GET_BROKER_MEMBER_GROUP = 901, "Served by: namesrv.";
    ADD_BROKER = 902, "Served by: broker-container.";
    REMOVE_BROKER = 903, "Served by: broker-container.";
    BROKER_HEARTBEAT = 904, "Served by: namesrv, controller.";
    NOTIFY_MIN_BROKER_ID_CHANGE = 905, "Served by: broker.";
    EXCHANGE_BROKER_HA_INFO = 906, "Served by: broker.";
    GET_BROKER_HA_STATUS = 907, "Served by: broker.";
    RESET_MASTER_FLUSH_OFFSET = 908, "Served by: broker.";
    CONTROLLER_ALTER_SYNC_STATE_SET = 1001, "Served by: controller.";
    CONTROLLER_ELECT_MASTER = 1002, "Served by: controller.";
    CONTROLLER_REGISTER_BROKER = 1003, "Served by: controller.";
    CONTROLLER_GET_REPLICA_INFO = 1004, "Served by: controller.";
    CONTROLLER_GET_METADATA_INFO = 1005, "Served by: controller.";
    CONTROLLER_GET_SYNC_STATE_DATA = 1006, "Served by: controller.";
    GET_BROKER_EPOCH_CACHE = 1007, "Served by: broker.";
    NOTIFY_BROKER_ROLE_CHANGED = 1008, "Served by: broker.";
    UPDATE_CONTROLLER_CONFIG = 1009, "Served by: controller.";
    GET_CONTROLLER_CONFIG = 1010, "Served by: controller.";
    CLEAN_BROKER_DATA = 1011, "Served by: controller.";
    CONTROLLER_GET_NEXT_BROKER_ID = 1012, "Served by: controller.";
    CONTROLLER_APPLY_BROKER_ID = 1013, "Served by: controller.";
    BROKER_CLOSE_CHANNEL_REQUEST = 1014, "Served by: nobody any more.";
    CHECK_NOT_ACTIVE_BROKER_REQUEST = 1015, "Served by: nobody any more.";
    GET_BROKER_LIVE_INFO_REQUEST = 1016, "Served by: nobody any more.";
    GET_SYNC_STATE_DATA_REQUEST = 1017, "Served by: nobody any more.";
    RAFT_BROKER_HEART_BEAT_EVENT_REQUEST = 1018, "Served by: nobody any more.";
    UPDATE_COLD_DATA_FLOW_CTR_CONFIG = 2001, "Served by: broker.";
    REMOVE_COLD_DATA_FLOW_CTR_CONFIG = 2002, "Served by: broker.";
    GET_COLD_DATA_FLOW_CTR_INFO = 2003, "Served by: broker.";
    SET_COMMITLOG_READ_MODE = 2004, "Served by: broker.";
    AUTH_CREATE_USER = 3001, "Served by: broker.";
    AUTH_UPDATE_USER = 3002, "Served by: broker.";
    AUTH_DELETE_USER = 3003, "Served by: broker.";
    AUTH_GET_USER = 3004, "Served by: broker.";
    AUTH_LIST_USER = 3005, "Served by: broker.";
    AUTH_CREATE_ACL = 3006, "Served by: broker.";
    AUTH_UPDATE_ACL = 3007, "Served by: broker.";
    AUTH_DELETE_ACL = 3008, "Served by: broker.";
    AUTH_GET_ACL = 3009, "Served by: broker.";
    AUTH_LIST_ACL = 3010, "Served by: broker.";
    SWITCH_TIMER_ENGINE = 5001, "Served by: broker. Since 5.4.0.";
    POP_MESSAGE = 200050, "Served by: broker, proxy-remoting.";
    ACK_MESSAGE = 200051, "Served by: broker, proxy-remoting.";
    PEEK_MESSAGE = 200052, "Served by: broker.";
    CHANGE_MESSAGE_INVISIBLETIME = 200053, "Served by: broker, proxy-remoting.";
    NOTIFICATION = 200054, "Served by: broker.";
    POLLING_INFO = 200055, "Served by: broker.";
    POP_ROLLBACK = 200056, "Served by: broker.";
    POP_LITE_MESSAGE = 200070, "Served by: broker. Since 5.5.0.";
    LITE_SUBSCRIPTION_CTL = 200071, "Served by: broker. Since 5.5.0.";
    ACK_LITE_MESSAGE = 200072, "Served by: nobody any more. Since 5.5.0.";
    NOTIFY_UNSUBSCRIBE_LITE = 200073, "Served by: client. Since 5.5.0.";
    GET_BROKER_LITE_INFO = 200074, "Served by: broker. Since 5.5.0.";
    GET_PARENT_TOPIC_INFO = 200075, "Served by: broker. Since 5.5.0.";
    GET_LITE_TOPIC_INFO = 200076, "Served by: broker. Since 5.5.0.";
    GET_LITE_CLIENT_INFO = 200077, "Served by: broker. Since 5.5.0.";
    GET_LITE_GROUP_INFO = 200078, "Served by: broker. Since 5.5.0.";
    TRIGGER_LITE_DISPATCH = 200079, "Served by: broker. Since 5.5.0.";
    BATCH_ACK_MESSAGE = 200151, "Served by: broker.";
}
