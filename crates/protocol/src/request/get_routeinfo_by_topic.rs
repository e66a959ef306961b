//! `GET_ROUTEINFO_BY_TOPIC` (105).
//!
//! Response body: TopicRouteData JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetRouteInfoRequestHeader`).
    pub struct GetRouteinfoByTopicRequest = GET_ROUTEINFO_BY_TOPIC {
        topic: String = "topic",
        accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
    }
}
