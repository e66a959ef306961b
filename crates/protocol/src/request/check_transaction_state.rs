//! `CHECK_TRANSACTION_STATE` (39).
//!
//! Request body: one message record (half message).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `CheckTransactionStateRequestHeader`).
    pub struct CheckTransactionStateRequest = CHECK_TRANSACTION_STATE {
        topic: Option<String> = "topic",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        msg_id: Option<String> = "msgId",
        transaction_id: Option<String> = "transactionId",
        offset_msg_id: Option<String> = "offsetMsgId",
    }
}
