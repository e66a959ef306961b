//! `END_TRANSACTION` (37).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `EndTransactionRequestHeader`).
    pub struct EndTransactionRequest = END_TRANSACTION {
        topic: Option<String> = "topic",
        producer_group: String = "producerGroup",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        commit_or_rollback: i32 = "commitOrRollback",
        from_transaction_check: Option<bool> = "fromTransactionCheck",
        msg_id: String = "msgId",
        transaction_id: Option<String> = "transactionId",
    }
}
