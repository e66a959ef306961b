//! Fields that older versions call by another name.

/// (type, name, older name). Bodies on the wire carry both names, and either is read.
const OLDER_NAMES: [(&str, &str, &str); 1] = [
    // Spelt so by 4.0 and its successors for a while.
    ("QueueData", "topicSysFlag", "topicSynFlag"),
];

/// The older name of a type's field.
pub(crate) fn older_name(shape: &str, field: &str) -> Option<&'static str> {
    OLDER_NAMES.iter().find(|row| row.0 == shape && row.1 == field).map(|row| row.2)
}

/// The name that a type's field has today.
pub(crate) fn newer_name(shape: &str, field: &str) -> Option<&'static str> {
    OLDER_NAMES.iter().find(|row| row.0 == shape && row.2 == field).map(|row| row.1)
}
