//! One message through the broker, by the route and address that a client would be given.

use std::time::Duration;

use eruca_message::{Clock, StoredMessage, SystemClock, names::SELF_TEST_TOPIC};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, TopicRouteData},
    request::{GetRouteinfoByTopicRequest, PullMessageRequest, SendMessageRequestV2, SendMessageResponse},
};
use eruca_remoting::{Client, ClientConfig, InvokeError};

/// No step of the test may take longer.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// In whose name is pulled: the group that the Java system has for this.
const CONSUMER_GROUP: &str = "SELF_TEST_C_GROUP";
/// Bit of a pull's sysFlag: the filter is given with the pull.
const PULL_FLAG_SUBSCRIPTION: i32 = 4;

/// What is tested.
#[derive(Debug, Clone)]
pub(crate) struct SelfTest {
    /// Where routes are asked for.
    pub(crate) name_servers: Vec<String>,
    /// The broker under test, among those of the route.
    pub(crate) broker_name: String,
    /// The only producer group that it lets send to [`SELF_TEST_TOPIC`].
    pub(crate) producer_group: String,
    /// Whether the message is acknowledged before slaves have it: a master is ready without them.
    pub(crate) without_slaves: bool,
}

/// What the test found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The address that the route tells.
    pub(crate) broker_addr: String,
}

/// The step that failed, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelfTestError {
    #[error("name server {addr} gives no route of this broker: {reason}")]
    Route { addr: String, reason: String },
    #[error(
        "the address that clients are told cannot be reached from here: {source}; set brokerIP1 or --advertise to an \
         address of this host that clients can reach, and open the port"
    )]
    Unreachable { source: InvokeError },
    #[error("the broker at {addr} does not take a message: {reason}")]
    Send { addr: String, reason: String },
    #[error("the broker at {addr} does not give back the message it took: {reason}")]
    Pull { addr: String, reason: String },
}

impl SelfTestError {
    /// Whether trying again can only help if somebody changes something.
    pub(crate) fn needs_remedy(&self) -> bool {
        matches!(self, SelfTestError::Unreachable { .. } | SelfTestError::Pull { .. })
    }
}

impl SelfTest {
    /// Asks for the route, sends, pulls, compares.
    pub(crate) async fn run(&self) -> Result<Passed, SelfTestError> {
        let client = Client::new(ClientConfig { name: "self-test", ..ClientConfig::default() }, None);
        let result = self.run_with(&client).await;
        client.close();
        result
    }

    async fn run_with(&self, client: &Client) -> Result<Passed, SelfTestError> {
        let broker_addr = self.route(client).await?;
        // One connection for all, and a failure to make it is the address's fault and no other.
        client
            .connect(&broker_addr, STEP_TIMEOUT)
            .await
            .map_err(|source| SelfTestError::Unreachable { source })?;
        let body = format!("eruca self-test {}", SystemClock.now());
        let sent = self.send(client, &broker_addr, &body).await?;
        self.pull(client, &broker_addr, &sent, &body).await?;
        Ok(Passed { broker_addr })
    }

    /// The broker's address, from the first name server that knows it.
    async fn route(&self, client: &Client) -> Result<String, SelfTestError> {
        let mut failure = None;
        for addr in &self.name_servers {
            match self.route_from(client, addr).await {
                Ok(broker_addr) => return Ok(broker_addr),
                Err(reason) => {
                    failure = Some(SelfTestError::Route { addr: addr.clone(), reason });
                }
            }
        }
        Err(failure.unwrap_or_else(|| SelfTestError::Route {
            addr: String::new(),
            reason: "there is no name server to ask".into(),
        }))
    }

    async fn route_from(&self, client: &Client, addr: &str) -> Result<String, String> {
        let header = GetRouteinfoByTopicRequest {
            topic: SELF_TEST_TOPIC.into(),
            accept_standard_json_only: Some(true),
        };
        let reply = ask(client, addr, RemotingCommand::request(&header)).await?;
        let route: TopicRouteData = body::from_json(&reply.body).map_err(|error| error.to_string())?;
        let broker = route.broker_datas.iter().find(|broker| broker.broker_name == self.broker_name);
        let master = broker.and_then(|broker| broker.broker_addrs.get(&0));
        master.cloned().ok_or_else(|| format!("broker {} is not in it", self.broker_name))
    }

    async fn send(
        &self,
        client: &Client,
        addr: &str,
        body: &str,
    ) -> Result<SendMessageResponse, SelfTestError> {
        let failed = |reason| SelfTestError::Send { addr: addr.to_owned(), reason };
        let header = SendMessageRequestV2 {
            producer_group: self.producer_group.clone(),
            topic: SELF_TEST_TOPIC.into(),
            default_topic: SELF_TEST_TOPIC.into(),
            default_topic_queue_nums: 1,
            queue_id: 0,
            born_timestamp: SystemClock.now().0,
            broker_name: Some(self.broker_name.clone()),
            properties: self.without_slaves.then(|| "WAIT\u{1}false\u{2}".to_owned()),
            ..SendMessageRequestV2::default()
        };
        let request = RemotingCommand::request(&header).with_body(body.to_owned());
        let reply = ask(client, addr, request).await.map_err(failed)?;
        reply.header().map_err(|error| failed(error.to_string()))
    }

    async fn pull(
        &self,
        client: &Client,
        addr: &str,
        sent: &SendMessageResponse,
        body: &str,
    ) -> Result<(), SelfTestError> {
        let failed = |reason| SelfTestError::Pull { addr: addr.to_owned(), reason };
        let header = PullMessageRequest {
            consumer_group: CONSUMER_GROUP.into(),
            topic: SELF_TEST_TOPIC.into(),
            queue_id: sent.queue_id,
            queue_offset: sent.queue_offset,
            max_msg_nums: 1,
            sys_flag: PULL_FLAG_SUBSCRIPTION,
            subscription: Some("*".into()),
            expression_type: Some("TAG".into()),
            ..PullMessageRequest::default()
        };
        let reply = ask(client, addr, RemotingCommand::request(&header)).await.map_err(failed)?;
        let messages = StoredMessage::decode_all(&reply.body).map_err(|error| failed(error.to_string()))?;
        match messages.first() {
            Some(stored) if stored.message.body == body.as_bytes() => Ok(()),
            Some(_) => Err(failed(format!("another one is at offset {}", sent.queue_offset))),
            None => Err(failed(format!("there is none at offset {}", sent.queue_offset))),
        }
    }
}

async fn ask(client: &Client, addr: &str, request: RemotingCommand) -> Result<RemotingCommand, String> {
    let reply = client.invoke(addr, request, STEP_TIMEOUT).await.map_err(|error| error.to_string())?;
    if reply.response_code() == ResponseCode::SUCCESS {
        return Ok(reply);
    }
    Err(format!("{} {}", reply.response_code(), reply.remark.unwrap_or_default()))
}
