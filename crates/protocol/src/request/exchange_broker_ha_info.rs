//! `EXCHANGE_BROKER_HA_INFO` (906).
//!
//! A master tells a slave where its log is copied from; or a slave asks its master, with no field at all.
//!
//! An Eruca master that comes back also asks the slave that stood in for it to do so no more (`standDown`), and is told until when that one
//! revived what was popped (`revivedUntil`, ms since 1970). A Java broker does not look at the one, and does not answer with the other.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ExchangeHAInfoRequestHeader`).
    pub struct ExchangeHaInfoRequest = EXCHANGE_BROKER_HA_INFO {
        master_ha_address: Option<String> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<String> = "masterAddress",
        stand_down: Option<bool> = "standDown",
    }
}

header_fields! {
    /// Header of the answer (Java: `ExchangeHAInfoResponseHeader`).
    pub struct ExchangeHaInfoResponse {
        master_ha_address: Option<String> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<String> = "masterAddress",
        revived_until: Option<i64> = "revivedUntil",
    }
}
