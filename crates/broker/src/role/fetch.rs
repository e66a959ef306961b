//! Messages of other groups of brokers, to be given again here: a Java slave that stands in for its lost master sends the records of pops to
//! another group, whose master sees to them (Java: `EscapeBridge.getMessageFromRemoteAsync`).

use std::{sync::PoisonError, time::Duration};

use bytes::Bytes;
use eruca_message::{Timestamp, names::REVIVE_GROUP};
use eruca_protocol::{RemotingCommand, ResponseCode, body::TopicRouteData, request::PullMessageRequest};
use eruca_remoting::Client;

use super::escape::Escape;

/// A read may take so long.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What is known of a group, also that it does not answer, is used for so long.
const HOST_MS: i64 = 10_000;
/// Groups that are known at once.
const HOSTS_MAX: usize = 1_000;
/// Java's `PullSysFlag`: the subscription comes with the request.
const FLAG_SUBSCRIPTION: i32 = 4;

/// Who has the messages of a group, or why nobody is known.
#[derive(Debug, Clone)]
pub(super) struct Host {
    asked_at: Timestamp,
    addr: Result<String, String>,
}

impl Escape {
    /// The record at `offset` of a queue of the group `broker`, from its master or who stands in for it; `Ok(None)` where it is not there (any
    /// more). For threads of this crate's schedule, which may wait.
    ///
    /// # Errors
    /// Nobody of that group answers. Nobody is asked again for a while.
    pub(crate) fn fetch(
        &self,
        broker: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<Option<Bytes>, String> {
        let read = async {
            let client = self.client.get();
            let addr = self.host(&client, broker, topic).await?;
            let read = pull(&client, &addr, topic, queue_id, offset).await;
            if let Err(why) = &read {
                self.remember(broker, Err(why.clone()));
            }
            read
        };
        self.while_open(read).unwrap_or_else(|| Err("this broker is shutting down".to_owned()))
    }

    async fn host(&self, client: &Client, broker: &str, topic: &str) -> Result<String, String> {
        let kept = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(broker).cloned();
        let now = self.clock.now();
        if let Some(kept) = kept.filter(|kept| (0..HOST_MS).contains(&now.ms_since(kept.asked_at))) {
            return kept.addr;
        }
        let unknown = || format!("knows no broker {broker} that has topic {topic}");
        let addr = self.in_route(client, topic, |route| host_in(route, broker).ok_or_else(unknown)).await;
        self.remember(broker, addr.clone());
        addr
    }

    pub(crate) fn remember(&self, broker: &str, addr: Result<String, String>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_MAX {
            hosts.clear();
        }
        hosts.insert(broker.to_owned(), Host { asked_at: self.clock.now(), addr });
    }
}

/// The master of a group, or its broker with the smallest id.
fn host_in(route: &TopicRouteData, broker: &str) -> Option<String> {
    let group = route.broker_datas.iter().find(|group| group.broker_name == broker)?;
    group.broker_addrs.iter().min_by_key(|(id, _)| **id).map(|(_, addr)| addr.clone())
}

async fn pull(
    client: &Client,
    addr: &str,
    topic: &str,
    queue_id: i32,
    offset: i64,
) -> Result<Option<Bytes>, String> {
    let header = PullMessageRequest {
        // Every broker knows it.
        consumer_group: REVIVE_GROUP.to_owned(),
        topic: topic.to_owned(),
        queue_id,
        queue_offset: offset,
        max_msg_nums: 1,
        sys_flag: FLAG_SUBSCRIPTION,
        subscription: Some("*".to_owned()),
        expression_type: Some("TAG".to_owned()),
        ..PullMessageRequest::default()
    };
    let answer = client.invoke(addr, RemotingCommand::request(&header), TIMEOUT).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.response_code() {
        ResponseCode::SUCCESS => Ok(Some(answer.body)),
        ResponseCode::PULL_NOT_FOUND
        | ResponseCode::PULL_RETRY_IMMEDIATELY
        | ResponseCode::PULL_OFFSET_MOVED => Ok(None),
        code => Err(format!("{addr} answers {code} {}", answer.remark.unwrap_or_default())),
    }
}

#[cfg(test)]
#[path = "fetch_test.rs"]
mod tests;
