//! From what the store found to what the client is told.

use eruca_protocol::{
    ExtFields, FLAG_RESPONSE, HeaderEncoding, Language, RemotingCommand, ResponseCode, VERSION,
};
use eruca_store::{ReadOutcome, ReadStatus};

use crate::HandlerError;

/// How the answer to a pull reads, in Java's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) code: ResponseCode,
    pub(super) remark: &'static str,
}

impl Verdict {
    /// The verdict on a read from `offset`.
    pub(super) fn of(status: ReadStatus, offset: i64) -> Verdict {
        use ResponseCode as Code;
        let empty_queue = if offset == 0 { Code::PULL_NOT_FOUND } else { Code::PULL_OFFSET_MOVED };
        let (code, remark) = match status {
            ReadStatus::Found => (Code::SUCCESS, "FOUND"),
            ReadStatus::NoMatchedMessage => (Code::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
            ReadStatus::MessageWasRemoving => (Code::PULL_RETRY_IMMEDIATELY, "MESSAGE_WAS_REMOVING"),
            ReadStatus::NoMatchedQueue => (empty_queue, "NO_MATCHED_LOGIC_QUEUE"),
            ReadStatus::NoMessageInQueue => (empty_queue, "NO_MESSAGE_IN_QUEUE"),
            ReadStatus::OffsetFoundNull => (Code::PULL_NOT_FOUND, "OFFSET_FOUND_NULL"),
            ReadStatus::OffsetOverflowOne => (Code::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
            ReadStatus::OffsetOverflowBadly => (Code::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"),
            ReadStatus::OffsetTooSmall => (Code::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"),
        };
        Verdict { code, remark }
    }

    /// A reset by an administrator, told once.
    pub(super) const OFFSET_RESET: Verdict =
        Verdict { code: ResponseCode::PULL_OFFSET_MOVED, remark: "OFFSET_RESET" };
}

/// The numbers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) next: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) suggested_broker_id: i64,
    pub(super) topic_sys_flag: i32,
    pub(super) group_sys_flag: i32,
}

/// The answer. Whoever sends it gives it its `opaque` and encoding: it may be long after the request.
pub(super) fn reply(verdict: Verdict, position: &Position) -> RemotingCommand {
    let mut fields = ExtFields::with_capacity(6, 128);
    fields.push_display("nextBeginOffset", position.next);
    fields.push_display("minOffset", position.min);
    fields.push_display("maxOffset", position.max);
    fields.push_display("suggestWhichBrokerId", position.suggested_broker_id);
    fields.push_display("topicSysFlag", position.topic_sys_flag);
    fields.push_display("groupSysFlag", position.group_sys_flag);
    RemotingCommand {
        code: verdict.code.0,
        language: Language::Java,
        version: VERSION,
        opaque: 0,
        flag: FLAG_RESPONSE,
        remark: Some(verdict.remark.to_owned()),
        ext_fields: fields,
        encoding: HeaderEncoding::Json,
        body: Default::default(),
    }
}

/// The answer of a pull that is refused; see [`reply`].
pub(super) fn refusal(error: HandlerError) -> RemotingCommand {
    RemotingCommand {
        code: error.code.0,
        language: Language::Java,
        version: VERSION,
        opaque: 0,
        flag: FLAG_RESPONSE,
        remark: Some(error.remark),
        ext_fields: ExtFields::default(),
        encoding: HeaderEncoding::Json,
        body: Default::default(),
    }
}

/// Whether a pull that got this may wait for a message.
pub(super) fn may_wait(verdict: Verdict, read: &ReadOutcome, offset: i64) -> bool {
    // A hole in the queue is no end: the client goes on behind it.
    verdict.code == ResponseCode::PULL_NOT_FOUND && i64::try_from(read.next_offset.0) == Ok(offset)
}
