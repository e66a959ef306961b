//! Sending messages.
//!
//! Read in this order: what the user holds (`producer`, `builder`), how a message becomes a request (`prepare`,
//! `batch`), which queue it goes to (`select`, `fault`), how it is sent and sent again (`send`, `retry`), and what is more than
//! one message (`request`, `transaction`), and what is told of it (`trace`).

mod batch;
mod builder;
mod error;
mod fault;
mod prepare;
#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod producer;
mod recall;
mod request;
mod result;
mod retry;
mod select;
mod send;
mod trace;
mod transaction;

pub use builder::ProducerBuilder;
pub use error::SendError;
pub use producer::Producer;
pub use recall::RecallError;
pub(crate) use request::{PendingReplies, UselessReply};
pub use request::{ReplyError, RequestError};
pub use result::{SendResult, SendStatus};
pub(crate) use transaction::{AnswersChecks, Question};
pub use transaction::{TransactionListener, TransactionProducer, TransactionSendResult, TransactionState};
