//! No queue offset is given twice, none is left out, and records lie where they must.

use eruca_store::Appended;

use super::{Verdict, expect_eq};

/// Where a record must be placed, against where it was.
pub fn placed(at: u64, len: u64, queue_offset: u64, appended: &Appended) -> Verdict {
    let found = (appended.log_offset.0, appended.log_offset_end.0, appended.queue_offset.0);
    expect_eq(
        "offsets are given once and without holes",
        "log offset, its end, queue offset",
        &(at, at + len, queue_offset),
        &found,
    )
}
