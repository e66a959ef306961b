//! `EXCHANGE_BROKER_HA_INFO` (906).
//!
//! A master tells a slave where its log is copied from; or a slave asks its master, with no field at all.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ExchangeHAInfoRequestHeader`).
    pub struct ExchangeHaInfoRequest = EXCHANGE_BROKER_HA_INFO {
        master_ha_address: Option<String> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<String> = "masterAddress",
    }
}

header_fields! {
    /// Header of the answer (Java: `ExchangeHAInfoResponseHeader`).
    pub struct ExchangeHaInfoResponse {
        master_ha_address: Option<String> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<String> = "masterAddress",
    }
}
