//! `NOTIFY_MIN_BROKER_ID_CHANGE` (905).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotifyMinBrokerIdChangeRequestHeader`).
    pub struct NotifyMinBrokerIdChangeRequest = NOTIFY_MIN_BROKER_ID_CHANGE {
        min_broker_id: Option<i64> = "minBrokerId",
        broker_name: Option<String> = "brokerName",
        min_broker_addr: Option<String> = "minBrokerAddr",
        offline_broker_addr: Option<String> = "offlineBrokerAddr",
        ha_broker_addr: Option<String> = "haBrokerAddr",
    }
}
