//! What handlers return, and how errors become response codes.

use std::net::{IpAddr, SocketAddr};

use eruca_config::{RemoteChangeError, UpdateError};
use eruca_protocol::{
    HeaderError, RemotingCommand, ResponseCode,
    body::{BodyError, RegisterBodyError},
};
use eruca_remoting::Caller;

use crate::{kv_config::KvError, routes::Refused};

/// An answer, or why there is none.
pub(crate) type Answer = Result<RemotingCommand, Refusal>;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ResponseCode,
    pub(crate) remark: String,
}

impl Refusal {
    pub(crate) fn new(code: ResponseCode, remark: impl Into<String>) -> Self {
        Refusal { code, remark: remark.into() }
    }
}

macro_rules! refusals {
    ($($error:ty => $code:ident;)*) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Refusal::new(ResponseCode::$code, error.to_string())
            }
        }
    )*};
}
refusals! {
    HeaderError => SYSTEM_ERROR;
    BodyError => SYSTEM_ERROR;
    RegisterBodyError => SYSTEM_ERROR;
    Refused => SYSTEM_ERROR;
    KvError => SYSTEM_ERROR;
    UpdateError => INVALID_PARAMETER;
}

impl From<RemoteChangeError> for Refusal {
    fn from(error: RemoteChangeError) -> Self {
        let code = match error {
            RemoteChangeError::Unreadable(_) | RemoteChangeError::NotKept { .. } => {
                ResponseCode::SYSTEM_ERROR
            }
            RemoteChangeError::Protected => ResponseCode::NO_PERMISSION,
        };
        Refusal::new(code, error.to_string())
    }
}

/// The address that the caller is told: the broker of the same process is where the caller came in.
pub(crate) fn told_addr(addr: &str, local_broker: Option<&str>, caller: &Caller) -> Option<String> {
    if local_broker != Some(addr) {
        return None;
    }
    let (_, port) = addr.rsplit_once(':')?;
    let ip: IpAddr = caller.local_addr().ip().to_canonical();
    Some(SocketAddr::new(ip, port.parse().ok()?).to_string())
}
