//! Where a load goes: the brokers, and the topics, which are created where they do not exist.

use std::{collections::BTreeSet, time::Duration};

use eruca_client::{Admin, CallError};
use eruca_protocol::{
    ResponseCode,
    body::{TopicConfig, TopicRouteData},
};

use crate::{args::DestinationArgs, error::BenchError};

/// Queues of a new topic where nothing is said.
const QUEUES_DEFAULT: i32 = 8;
/// Topics that one request creates.
const TOPICS_OF_A_REQUEST: usize = 500;
/// A Java broker writes all its topics to disk for every request that creates some.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the name server may take to know a topic that a broker has.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(60);
const ROUTE_PAUSE: Duration = Duration::from_millis(50);
/// Bit of a topic's permissions.
const PERM_WRITE: i32 = 2;

/// Brokers and topics of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) brokers: Vec<BrokerAddress>,
    pub(crate) topics: Vec<String>,
}

/// One broker, and the queues that each of the topics has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokerAddress {
    pub(crate) name: String,
    pub(crate) addr: String,
    pub(crate) write_queues: i32,
    pub(crate) read_queues: i32,
}

impl Destination {
    /// Asks name servers for the brokers and creates topics that do not exist, if `creates`.
    ///
    /// # Errors
    /// No name server or broker answers, or a topic does not exist and is not to be created.
    pub(crate) async fn find(args: &DestinationArgs, creates: bool) -> Result<Destination, BenchError> {
        let topics = topic_names(&args.topic, args.topics);
        if let Some(addr) = &args.broker {
            let queues = args.queues.unwrap_or(QUEUES_DEFAULT);
            let broker = BrokerAddress {
                name: String::new(),
                addr: addr.clone(),
                write_queues: queues,
                read_queues: queues,
            };
            return Ok(Destination { brokers: vec![broker], topics });
        }
        let admin = Admin::builder().name_servers(&args.namesrv).call_timeout(CALL_TIMEOUT).build().await?;
        let found = find(&admin, args, topics, creates).await;
        admin.shutdown();
        found
    }

    /// Queues of one topic on all brokers, to read from.
    pub(crate) fn read_queues(&self) -> i32 {
        self.brokers.iter().map(|broker| broker.read_queues).sum()
    }

    /// Queues of one topic on all brokers, to write to.
    pub(crate) fn write_queues(&self) -> i32 {
        self.brokers.iter().map(|broker| broker.write_queues).sum()
    }
}

async fn find(
    admin: &Admin,
    args: &DestinationArgs,
    topics: Vec<String>,
    creates: bool,
) -> Result<Destination, BenchError> {
    if creates {
        create_missing(admin, args, &topics).await?;
    }
    // All topics of a load are alike: the last one was created last, so that the others are known, too.
    let last = topics.last().map_or(args.topic.as_str(), String::as_str);
    let route = wait_for_route(admin, last, creates).await?;
    let brokers = brokers_of(&route);
    if brokers.is_empty() {
        return Err(BenchError::NoBroker {
            name_servers: args.namesrv.clone(),
            topic: last.to_owned(),
            remedy: "give the topic queues and permissions with eruca admin updateTopic",
        });
    }
    Ok(Destination { brokers, topics })
}

fn topic_names(name: &str, topics: u32) -> Vec<String> {
    match topics {
        1 => vec![name.to_owned()],
        _ => (0..topics).map(|number| format!("{name}{number}")).collect(),
    }
}

async fn create_missing(admin: &Admin, args: &DestinationArgs, topics: &[String]) -> Result<(), BenchError> {
    let known: BTreeSet<String> = match topics {
        [topic] => match admin.examine_topic_route_info(topic).await {
            Ok(_) => BTreeSet::from([topic.clone()]),
            Err(CallError::TopicUnknown { .. }) => BTreeSet::new(),
            Err(error) => return Err(error.into()),
        },
        _ => admin.fetch_all_topic_list().await?.topic_list.into_iter().collect(),
    };
    let queues = args.queues.unwrap_or(QUEUES_DEFAULT);
    let missing: Vec<TopicConfig> = topics
        .iter()
        .filter(|topic| !known.contains(*topic))
        .map(|topic| TopicConfig::new(topic, queues))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let cluster = admin.examine_broker_cluster_info().await?;
    let masters: Vec<&String> =
        cluster.broker_addr_table.values().filter_map(|broker| broker.broker_addrs.get(&0)).collect();
    if masters.is_empty() {
        return Err(BenchError::NoBroker {
            name_servers: args.namesrv.clone(),
            topic: args.topic.clone(),
            remedy: "start one with eruca up or eruca broker",
        });
    }
    for addr in masters {
        for some in missing.chunks(TOPICS_OF_A_REQUEST) {
            create(admin, addr, some).await?;
        }
    }
    Ok(())
}

/// Creates topics with one request, or one by one where the broker is older than that request.
async fn create(admin: &Admin, addr: &str, topics: &[TopicConfig]) -> Result<(), CallError> {
    if topics.len() > 1 {
        match admin.create_and_update_topic_config_list(addr, topics).await {
            Err(CallError::Refused { code: ResponseCode::REQUEST_CODE_NOT_SUPPORTED, .. }) => {}
            created => return created,
        }
    }
    for topic in topics {
        admin.create_and_update_topic_config(addr, topic).await?;
    }
    Ok(())
}

/// The route of a topic; of one that was created, as soon as the name server has heard of it.
async fn wait_for_route(admin: &Admin, topic: &str, was_created: bool) -> Result<TopicRouteData, CallError> {
    let end = tokio::time::Instant::now() + ROUTE_TIMEOUT;
    loop {
        match admin.examine_topic_route_info(topic).await {
            Err(CallError::TopicUnknown { .. }) if was_created && tokio::time::Instant::now() < end => {
                tokio::time::sleep(ROUTE_PAUSE).await;
            }
            route => return route,
        }
    }
}

/// The masters that take messages.
fn brokers_of(route: &TopicRouteData) -> Vec<BrokerAddress> {
    let address = |queues: &eruca_protocol::body::QueueData| {
        let broker = route.broker_datas.iter().find(|broker| broker.broker_name == queues.broker_name)?;
        Some(BrokerAddress {
            name: broker.broker_name.clone(),
            addr: broker.broker_addrs.get(&0)?.clone(),
            write_queues: queues.write_queue_nums,
            read_queues: queues.read_queue_nums,
        })
    };
    let writable = route.queue_datas.iter().filter(|queues| queues.perm & PERM_WRITE != 0);
    writable.filter_map(address).filter(|broker| broker.write_queues > 0).collect()
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::{BrokerData, QueueData};

    use super::*;

    #[test]
    fn one_topic_keeps_its_name_and_several_are_numbered() {
        assert_eq!(topic_names("bench", 1), ["bench"]);
        assert_eq!(topic_names("bench", 3), ["bench0", "bench1", "bench2"]);
    }

    #[test]
    fn only_masters_that_may_be_written_to_get_load() {
        let broker = |name: &str, id| BrokerData {
            broker_name: name.to_owned(),
            broker_addrs: [(id, format!("{name}:1"))].into(),
            ..BrokerData::default()
        };
        let queues = |name: &str, perm, write_queue_nums| QueueData {
            broker_name: name.to_owned(),
            perm,
            write_queue_nums,
            read_queue_nums: 4,
            ..QueueData::default()
        };
        let route = TopicRouteData {
            broker_datas: vec![broker("a", 0), broker("b", 0), broker("slave", 1), broker("none", 0)],
            queue_datas: vec![
                queues("a", 6, 4),
                queues("b", 4, 4),
                queues("slave", 6, 4),
                queues("none", 6, 0),
                queues("unknown", 6, 4),
            ],
            ..TopicRouteData::default()
        };
        let brokers = brokers_of(&route);
        assert_eq!(brokers.iter().map(|broker| broker.addr.as_str()).collect::<Vec<_>>(), ["a:1"]);
    }
}
