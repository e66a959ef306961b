//! `CLONE_GROUP_OFFSET` (314).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `CloneGroupOffsetRequestHeader`).
    pub struct CloneGroupOffsetRequest = CLONE_GROUP_OFFSET {
        src_group: String = "srcGroup",
        dest_group: String = "destGroup",
        topic: Option<String> = "topic",
        #[or(false)]
        offline: bool = "offline",
    }
}
