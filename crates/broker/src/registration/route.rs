//! Asking a name server where a topic is.

use std::time::Duration;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, BodyError, TopicRouteData},
    request::GetRouteinfoByTopicRequest,
};
use eruca_remoting::{Client, InvokeError};

/// How long a name server may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why it does not say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskRouteError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error("{code} {remark}")]
    Refused { code: ResponseCode, remark: String },
    #[error(transparent)]
    Unreadable(#[from] BodyError),
}

/// The route of `topic`, as the name server at `name_server` knows it.
pub(crate) async fn ask_route(
    client: &Client,
    name_server: &str,
    topic: &str,
) -> Result<TopicRouteData, AskRouteError> {
    let header =
        GetRouteinfoByTopicRequest { topic: topic.to_owned(), accept_standard_json_only: Some(true) };
    let answer = client.invoke(name_server, RemotingCommand::request(&header), TIMEOUT).await?;
    match answer.response_code() {
        ResponseCode::SUCCESS => Ok(body::from_json(&answer.body)?),
        code => Err(AskRouteError::Refused { code, remark: answer.remark.unwrap_or_default() }),
    }
}
