//! RocketMQ remoting protocol: frames and typed requests; no I/O, no async.
//!
//! Read in this order: the frame (`frame`, `header`), its content (`command`, `ext_fields`), what it asks for
//! (`code`, `request`, `pop`), and what it carries (`body`, `lenient_json`).
//!
//! ```
//! use bytes::BytesMut;
//! use eruca_protocol::request::{GetMaxOffsetRequest, GetMaxOffsetResponse};
//! use eruca_protocol::{FrameDecoder, RemotingCommand};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ask = GetMaxOffsetRequest { topic: "hello".to_owned(), queue_id: 0, committed: true };
//! let mut wire = BytesMut::new();
//! RemotingCommand::request(&ask).encode(&mut wire)?;
//!
//! let request = FrameDecoder::default().decode(&mut wire)?.expect("the frame is whole");
//! assert_eq!(request.header::<GetMaxOffsetRequest>()?, ask);
//! let reply = request.reply_with(&GetMaxOffsetResponse { offset: 42 });
//! assert_eq!(reply.ext_fields.get("offset"), Some("42"));
//! # Ok(())
//! # }
//! ```

mod command;
mod ext_fields;
mod frame;
mod header;
mod header_fields;
mod language;
mod lenient_json;
mod version;

pub mod body;
pub mod code;
pub mod pop;
pub mod request;

pub use code::{RequestCode, ResponseCode};
pub use command::{FLAG_ONEWAY, FLAG_RESPONSE, HeaderEncoding, RemotingCommand, VERSION};
pub use ext_fields::ExtFields;
pub use frame::{FrameDecoder, FrameError};
pub use header_fields::{HeaderError, HeaderField, HeaderFields, RequestHeader, decode_field};
pub use language::Language;
pub use lenient_json::JsonError;
pub use version::version_name;

/// The README's example compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
