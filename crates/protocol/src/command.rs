//! One frame's content: a request or an answer.

use bytes::Bytes;

use crate::{ExtFields, HeaderError, HeaderFields, Language, RequestCode, RequestHeader, ResponseCode};

/// The version that we say we are: the ordinal of RocketMQ 5.5.0 in Java's list of versions.
pub const VERSION: i32 = 513;
/// Bit of `flag`: this is an answer.
pub const FLAG_RESPONSE: i32 = 1;
/// Bit of `flag`: no answer is wanted.
pub const FLAG_ONEWAY: i32 = 2;

/// How a header is written. An answer is written as its request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HeaderEncoding {
    /// A JSON object.
    #[default]
    Json,
    /// The binary form (`ROCKETMQ`).
    Binary,
}

/// A request or an answer (Java: `RemotingCommand`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotingCommand {
    /// [`RequestCode`] or [`ResponseCode`].
    pub code: i32,
    /// Language of the sender.
    pub language: Language,
    /// Version of the sender: an ordinal in Java's list of versions, see [`VERSION`].
    pub version: i32,
    /// Number by which an answer finds its request on the connection.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`] and [`FLAG_ONEWAY`].
    pub flag: i32,
    /// Text for people, mostly what went wrong.
    pub remark: Option<String>,
    /// The typed header's fields.
    pub ext_fields: ExtFields,
    /// How the header was or is to be written.
    pub encoding: HeaderEncoding,
    /// The body; empty where there is none.
    pub body: Bytes,
}

impl RemotingCommand {
    /// A request of ours with this header and no body. The connection gives it its `opaque`.
    pub fn request<H: RequestHeader>(header: &H) -> Self {
        let mut command = Self::request_without_header(H::CODE);
        header.encode_to(&mut command.ext_fields);
        command
    }

    /// A request of ours that has no header fields.
    pub fn request_without_header(code: RequestCode) -> Self {
        RemotingCommand {
            code: code.0,
            language: Language::Rust,
            version: VERSION,
            opaque: 0,
            flag: 0,
            remark: None,
            ext_fields: ExtFields::new(),
            encoding: HeaderEncoding::Json,
            body: Bytes::new(),
        }
    }

    /// An answer to this request with `code`, without fields, remark or body.
    ///
    /// It says that we are Java, as every client expects of a broker.
    pub fn reply(&self, code: ResponseCode) -> Self {
        RemotingCommand {
            code: code.0,
            language: Language::Java,
            version: VERSION,
            opaque: self.opaque,
            flag: FLAG_RESPONSE,
            remark: None,
            ext_fields: ExtFields::new(),
            encoding: self.encoding,
            body: Bytes::new(),
        }
    }

    /// As [`RemotingCommand::reply`] with `SUCCESS` and these header fields.
    pub fn reply_with<H: HeaderFields>(&self, header: &H) -> Self {
        let mut reply = self.reply(ResponseCode::SUCCESS);
        header.encode_to(&mut reply.ext_fields);
        reply
    }

    /// As [`RemotingCommand::reply`] with a remark.
    pub fn reply_error(&self, code: ResponseCode, remark: impl Into<String>) -> Self {
        let mut reply = self.reply(code);
        reply.remark = Some(remark.into());
        reply
    }

    /// This command with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// This command with a remark.
    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = Some(remark.into());
        self
    }

    /// This command as one that wants no answer.
    #[must_use]
    pub fn oneway(mut self) -> Self {
        self.flag |= FLAG_ONEWAY;
        self
    }

    /// The typed header.
    pub fn header<H: HeaderFields>(&self) -> Result<H, HeaderError> {
        H::decode_from(&self.ext_fields)
    }

    /// The code, of a request.
    pub fn request_code(&self) -> RequestCode {
        RequestCode(self.code)
    }

    /// The code, of an answer.
    pub fn response_code(&self) -> ResponseCode {
        ResponseCode(self.code)
    }

    /// Whether this is an answer.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether no answer is wanted.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }
}
