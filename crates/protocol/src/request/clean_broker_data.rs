//! `CLEAN_BROKER_DATA` (1011).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `CleanControllerBrokerDataRequestHeader`).
    pub struct CleanBrokerDataRequest = CLEAN_BROKER_DATA {
        cluster_name: Option<String> = "clusterName",
        broker_name: String = "brokerName",
        broker_controller_ids_to_clean: Option<String> = "brokerControllerIdsToClean",
        #[or(false)] is_clean_living_broker: bool = "isCleanLivingBroker",
    }
}
