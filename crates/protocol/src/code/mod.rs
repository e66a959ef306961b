//! Numbers of requests and answers.

mod request;
mod response;

pub use request::RequestCode;
pub use response::ResponseCode;
