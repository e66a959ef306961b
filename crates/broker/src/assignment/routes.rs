//! Which queues a topic has in the whole cluster: our own by our table, the others' by the name servers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::{Clock, MessageQueue, Timestamp};
use eruca_protocol::{ResponseCode, body::TopicRouteData};

use crate::{
    control::Control,
    registration::{AskRouteError, LazyClient, ask_route},
    settings::Settings,
    topics::{TopicTable, perm},
};

/// Topics whose routes are kept.
const TOPICS_MAX: usize = 10_000;
/// Most queues of one topic on one broker that are believed.
const QUEUES_MAX: i32 = 100_000;

/// Why nobody can say which queues a topic has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no such topic.
    #[error("topic[{topic}] is on no broker that the name servers know")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// No name server answers.
    #[error("no name server says where topic[{topic}] is: {why}")]
    NoNameServer {
        /// The topic.
        topic: String,
        /// What the last of them said.
        why: String,
    },
}

/// The queues of topics, kept for some time (Java: `TopicRouteInfoManager`).
pub struct ClusterQueues {
    name_servers: Vec<String>,
    topics: Arc<TopicTable>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    client: LazyClient,
    kept: Mutex<HashMap<String, Kept>>,
}

/// Queues of other brokers.
#[derive(Debug, Clone)]
struct Kept {
    queues: Arc<[MessageQueue]>,
    asked_at: Timestamp,
    is_asked: bool,
}

/// What is known without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// These queues.
    Queues(Vec<MessageQueue>),
    /// These queues, as they were some time ago: somebody should ask.
    Stale(Vec<MessageQueue>),
    /// Nothing: somebody must ask.
    Nothing,
}

impl ClusterQueues {
    /// By these name servers, `host:port` each, and our own topics.
    pub fn new(
        name_servers: Vec<String>,
        topics: Arc<TopicTable>,
        settings: Arc<Settings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (client, kept) = (LazyClient::new("routes"), Mutex::default());
        ClusterQueues { name_servers, topics, settings, clock, client, kept }
    }

    /// What is known of `topic` now. Where it is stale, only the first who is told so asks.
    pub fn known(&self, topic: &str) -> Known {
        if self.name_servers.is_empty() {
            return Known::Queues(self.own(topic));
        }
        let period_ms = self.settings.now().load_balance_poll_name_server_interval;
        let now = self.clock.now();
        let mut kept = self.kept();
        let Some(of_topic) = kept.get_mut(topic) else { return Known::Nothing };
        let queues = self.with_own(topic, &of_topic.queues);
        let age_ms = now.ms_since(of_topic.asked_at);
        if (0..period_ms).contains(&age_ms) || of_topic.is_asked {
            return Known::Queues(queues);
        }
        of_topic.is_asked = true;
        Known::Stale(queues)
    }

    /// Asks the name servers, one after the other until one answers. To be called inside a Tokio runtime.
    ///
    /// # Errors
    /// Nobody knows the topic, or nobody answers.
    pub async fn ask(&self, topic: &str) -> Result<Vec<MessageQueue>, RouteError> {
        let asked = self.ask_all(topic).await;
        let others = match asked {
            Ok(route) => Ok(self.of_others(topic, &route)),
            Err(RouteError::NoTopic { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let mut kept = self.kept();
        match others {
            Ok(others) => {
                if kept.len() >= TOPICS_MAX && !kept.contains_key(topic) {
                    // Rarely so many; whoever is asked for again is asked for again.
                    kept.clear();
                }
                let queues: Arc<[MessageQueue]> = others.into();
                let asked_at = self.clock.now();
                let own_and_others = self.with_own(topic, &queues);
                if own_and_others.is_empty() {
                    kept.remove(topic);
                    return Err(RouteError::NoTopic { topic: topic.to_owned() });
                }
                kept.insert(topic.to_owned(), Kept { queues, asked_at, is_asked: false });
                Ok(own_and_others)
            }
            Err(error) => {
                // What was known before goes on counting.
                if let Some(of_topic) = kept.get_mut(topic) {
                    of_topic.is_asked = false;
                    return Ok(self.with_own(topic, &of_topic.queues));
                }
                Err(error)
            }
        }
    }

    /// Asks in the background, on `control`.
    pub(crate) fn refresh(self: &Arc<Self>, topic: &str, control: &Control) {
        let (queues, topic) = (self.clone(), topic.to_owned());
        control.spawn("route", async move {
            if let Err(error) = queues.ask(&topic).await {
                tracing::debug!(topic, %error, "route not refreshed");
            }
        });
    }

    async fn ask_all(&self, topic: &str) -> Result<TopicRouteData, RouteError> {
        let mut why = "none is configured (namesrvAddr)".to_owned();
        let client = self.client.get();
        for address in &self.name_servers {
            match ask_route(&client, address, topic).await {
                Ok(route) => return Ok(route),
                Err(AskRouteError::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => {
                    return Err(RouteError::NoTopic { topic: topic.to_owned() });
                }
                Err(AskRouteError::Invoke(error)) => why = error.to_string(),
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        Err(RouteError::NoNameServer { topic: topic.to_owned(), why })
    }

    /// Closes connections. Nothing can be asked any more.
    pub fn close(&self) {
        self.client.close();
    }

    fn own(&self, topic: &str) -> Vec<MessageQueue> {
        let config = self.topics.get(topic).filter(|config| perm::is_readable(config.perm));
        let broker_name = &self.settings.now().broker_name;
        let queue_nums = config.map_or(0, |config| config.read_queue_nums);
        (0..queue_nums).map(|id| MessageQueue::new(topic, broker_name.as_str(), id)).collect()
    }

    fn with_own(&self, topic: &str, others: &[MessageQueue]) -> Vec<MessageQueue> {
        let mut queues = self.own(topic);
        queues.extend_from_slice(others);
        queues.sort();
        queues
    }

    fn of_others(&self, topic: &str, route: &TopicRouteData) -> Vec<MessageQueue> {
        let own_name = &self.settings.now().broker_name;
        let others = route
            .queue_datas
            .iter()
            .filter(|data| data.broker_name != *own_name && perm::is_readable(data.perm));
        let queues = others.flat_map(|data| {
            let queue_nums = data.read_queue_nums.clamp(0, QUEUES_MAX);
            (0..queue_nums).map(|id| MessageQueue::new(topic, data.broker_name.as_str(), id))
        });
        queues.collect()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ClusterQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterQueues").field("name_servers", &self.name_servers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::QueueData;

    use super::*;
    use crate::handler::test_parts::TestParts;

    fn queues(parts: &TestParts, name_servers: &[&str]) -> ClusterQueues {
        let name_servers = name_servers.iter().map(|address| (*address).to_owned()).collect();
        ClusterQueues::new(name_servers, parts.topics.clone(), parts.settings.clone(), parts.clock.clone())
    }

    #[test]
    fn own_queues_are_known_and_others_are_as_the_route_says() {
        let parts = TestParts::new();
        parts.topic("T", 2);
        let queues = queues(&parts, &[]);
        let own = [MessageQueue::new("T", "b", 0), MessageQueue::new("T", "b", 1)];
        assert_eq!(queues.known("T"), Known::Queues(own.to_vec()));
        assert_eq!(queues.known("U"), Known::Queues(vec![]));
        let of = |broker: &str, perm, read_queue_nums| QueueData {
            broker_name: broker.into(),
            perm,
            read_queue_nums,
            ..QueueData::default()
        };
        let route = TopicRouteData {
            queue_datas: vec![of("a", 6, 1), of("b", 6, 9), of("c", 2, 1), of("d", 6, i32::MAX)],
            ..TopicRouteData::default()
        };
        let others = queues.of_others("T", &route);
        assert_eq!(others[0], MessageQueue::new("T", "a", 0));
        assert_eq!(
            others.len(),
            1 + 100_000,
            "ours by our own table, none that must not be read, and never too many"
        );
    }

    #[tokio::test]
    async fn without_a_name_server_nothing_is_said_of_a_cluster() {
        let parts = TestParts::new();
        parts.topic("T", 1);
        let queues = queues(&parts, &["127.0.0.1:1"]);
        assert_eq!(queues.known("T"), Known::Nothing);
        let error = queues.ask("T").await.unwrap_err();
        assert!(matches!(error, RouteError::NoNameServer { .. }), "{error}");
        assert_eq!(queues.known("T"), Known::Nothing);
    }
}
