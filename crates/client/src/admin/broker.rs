//! What brokers are asked about themselves.

use std::{collections::BTreeMap, fmt::Write};

use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{BrokerStatsData, EpochEntryCache, HaRuntimeInfo, KVTable},
    request::ViewBrokerStatsDataRequest,
};

use super::Admin;
use crate::CallError;

/// A configuration as brokers and name servers give it: the text of a `.properties` file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BrokerConfigText(pub String);

impl BrokerConfigText {
    /// Keys and values, in the order of the text.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
    }
}

impl Admin {
    /// Counters and versions of the broker at `addr`.
    pub async fn fetch_broker_runtime_stats(&self, addr: &str) -> Result<KVTable, CallError> {
        self.ask_plain(addr, RequestCode::GET_BROKER_RUNTIME_INFO).await
    }

    /// Who copies the log of the broker at `addr`, or whose log it copies.
    pub async fn broker_ha_status(&self, addr: &str) -> Result<HaRuntimeInfo, CallError> {
        self.ask_plain(addr, RequestCode::GET_BROKER_HA_STATUS).await
    }

    /// Which master wrote which part of the log of the broker at `addr`; its group has a controller.
    pub async fn broker_epoch_cache(&self, addr: &str) -> Result<EpochEntryCache, CallError> {
        self.ask_plain(addr, RequestCode::GET_BROKER_EPOCH_CACHE).await
    }

    /// A counter of the broker at `addr`: `name` says what it counts (`TOPIC_PUT_NUMS`), `key` of what (a topic).
    pub async fn view_broker_stats_data(
        &self,
        addr: &str,
        name: &str,
        key: &str,
    ) -> Result<BrokerStatsData, CallError> {
        let header = ViewBrokerStatsDataRequest { stats_name: name.to_owned(), stats_key: key.to_owned() };
        self.ask_body(addr, &header).await
    }

    /// The configuration of the broker at `addr`.
    pub async fn broker_config(&self, addr: &str) -> Result<BrokerConfigText, CallError> {
        self.config_text(addr, RequestCode::GET_BROKER_CONFIG).await
    }

    /// Changes settings of the broker at `addr`.
    pub async fn update_broker_config(
        &self,
        addr: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        self.update_config_text(addr, RequestCode::UPDATE_BROKER_CONFIG, properties).await
    }

    /// Lets the broker at `addr` delete consume queues of topics that are gone.
    pub async fn clean_unused_topic(&self, addr: &str) -> Result<(), CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::CLEAN_UNUSED_TOPIC);
        self.session.call(addr, request).await.map(drop)
    }

    /// Lets the broker at `addr` delete consume queue files whose messages have expired.
    pub async fn clean_expired_consumer_queue(&self, addr: &str) -> Result<(), CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE);
        self.session.call(addr, request).await.map(drop)
    }

    /// Lets the broker at `addr` delete expired segments of the commit log now.
    pub async fn delete_expired_commit_log(&self, addr: &str) -> Result<(), CallError> {
        let request = RemotingCommand::request_without_header(RequestCode::DELETE_EXPIRED_COMMITLOG);
        self.session.call(addr, request).await.map(drop)
    }

    pub(super) async fn config_text(
        &self,
        addr: &str,
        code: RequestCode,
    ) -> Result<BrokerConfigText, CallError> {
        let answer = self.session.call(addr, RemotingCommand::request_without_header(code)).await?;
        Ok(BrokerConfigText(String::from_utf8_lossy(&answer.reply.body).into_owned()))
    }

    pub(super) async fn update_config_text(
        &self,
        addr: &str,
        code: RequestCode,
        properties: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let text = properties.iter().fold(String::new(), |mut text, (key, value)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key}={value}");
            text
        });
        let request = RemotingCommand::request_without_header(code).with_body(text.into_bytes());
        self.session.call(addr, request).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_skip_comments() {
        let text = BrokerConfigText("#made today\na=1\nb=x=y\n".into());
        assert_eq!(text.entries().collect::<Vec<_>>(), [("a", "1"), ("b", "x=y")]);
    }
}
