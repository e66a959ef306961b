//! RocketMQ remoting protocol: frames and typed requests; no I/O, no async.
//!
//! Read in this order: the frame (`frame`, `header`), its content (`command`, `ext_fields`), what it asks for
//! (`code`, `request`), and what it carries (`body`, `lenient_json`).

mod command;
mod ext_fields;
mod frame;
mod header;
mod header_fields;
mod language;
mod lenient_json;

pub mod body;
pub mod code;
pub mod request;

pub use code::{RequestCode, ResponseCode};
pub use command::{FLAG_ONEWAY, FLAG_RESPONSE, HeaderEncoding, RemotingCommand, VERSION};
pub use ext_fields::ExtFields;
pub use frame::{FrameDecoder, FrameError};
pub use header_fields::{HeaderError, HeaderField, HeaderFields, RequestHeader, decode_field};
pub use language::Language;
pub use lenient_json::JsonError;
