//! `SEARCH_OFFSET_BY_TIMESTAMP` (29).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `SearchOffsetRequestHeader`).
    pub struct SearchOffsetByTimestampRequest = SEARCH_OFFSET_BY_TIMESTAMP {
        topic: String = "topic",
        lite_topic: Option<String> = "liteTopic",
        queue_id: i32 = "queueId",
        timestamp: i64 = "timestamp",
        boundary_type: Option<String> = "boundaryType",
    }
}

header_fields! {
    /// Header of the answer (Java: `SearchOffsetResponseHeader`).
    pub struct SearchOffsetByTimestampResponse {
        offset: i64 = "offset",
    }
}

impl SearchOffsetByTimestampRequest {
    /// Whether the last message of several with one store time is wanted (`boundaryType` is `upper`), not the first.
    pub fn is_upper(&self) -> bool {
        self.boundary_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("upper"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_in_any_case_is_upper() {
        let is_upper = |name: Option<&str>| {
            let boundary_type = name.map(str::to_owned);
            SearchOffsetByTimestampRequest { boundary_type, ..SearchOffsetByTimestampRequest::default() }
                .is_upper()
        };
        assert!(is_upper(Some("UPPER")) && is_upper(Some("upper")));
        assert!(!is_upper(Some("LOWER")) && !is_upper(Some("x")) && !is_upper(None));
    }
}
