//! The topics that a broker has from its first start.

use eruca_message::names;
use eruca_protocol::body::TopicConfig;

use super::{TopicTable, perm};

/// What decides which system topics there are.
#[derive(Debug, Clone)]
pub struct SystemTopics {
    /// Name of the cluster: a topic of this name exists.
    pub cluster_name: String,
    /// Name of the broker: a topic of this name exists.
    pub broker_name: String,
    /// `autoCreateTopicEnable`: whether there is the template `TBW102`.
    pub auto_create_topic: bool,
    /// `defaultTopicQueueNums`: queues of the template.
    pub default_queue_nums: i32,
    /// `clusterTopicEnable`: whether the cluster's topic may be sent to and pulled from.
    pub cluster_topic_enable: bool,
    /// `brokerTopicEnable`: the same for the broker's topic.
    pub broker_topic_enable: bool,
    /// `traceTopicEnable`: whether there is a topic for traces.
    pub trace_topic_enable: bool,
    /// `msgTraceTopicName`: its name.
    pub trace_topic: String,
    /// `timerWheelEnable`: whether there is a topic for messages with a time of delivery.
    pub timer_enable: bool,
    /// `reviveQueueNum`: queues of the topic in which pops are noted.
    pub revive_queue_nums: i32,
    /// Highest delay level: queues of the schedule topic.
    pub delay_levels: i32,
}

/// Where the broker's cluster takes replies of request-reply.
pub fn reply_topic(cluster_name: &str) -> String {
    format!("{cluster_name}_REPLY_TOPIC")
}

impl SystemTopics {
    /// Creates those that are missing.
    pub fn create_in(&self, topics: &TopicTable) {
        for config in self.configs() {
            topics.create_if_absent(config);
        }
    }

    fn configs(&self) -> Vec<TopicConfig> {
        const READ_WRITE: i32 = perm::READ | perm::WRITE;
        let inherit = |enabled: bool| perm::INHERIT | if enabled { READ_WRITE } else { 0 };
        let topic = |name: &str, queue_nums: i32, perm: i32| TopicConfig {
            topic_name: name.to_owned(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            perm,
            ..TopicConfig::default()
        };
        let mut configs = vec![
            topic(names::SELF_TEST_TOPIC, 1, READ_WRITE),
            topic(names::BENCHMARK_TOPIC, 1024, READ_WRITE),
            topic(&self.cluster_name, 16, inherit(self.cluster_topic_enable)),
            topic(&self.broker_name, 1, inherit(self.broker_topic_enable)),
            topic(names::OFFSET_MOVED_EVENT, 1, READ_WRITE),
            topic(names::SCHEDULE_TOPIC, self.delay_levels.max(18), READ_WRITE),
            topic(&reply_topic(&self.cluster_name), 1, READ_WRITE),
            topic(&format!("rmq_sys_SYNC_BROKER_MEMBER_{}", self.broker_name), 1, perm::INHERIT),
            topic(names::TRANS_HALF_TOPIC, 1, READ_WRITE),
            topic(names::TRANS_OP_HALF_TOPIC, 1, READ_WRITE),
            topic(&names::revive_topic(&self.cluster_name), self.revive_queue_nums, READ_WRITE),
        ];
        if self.auto_create_topic {
            configs.push(topic(
                names::AUTO_CREATE_TOPIC,
                self.default_queue_nums,
                perm::INHERIT | READ_WRITE,
            ));
        }
        if self.trace_topic_enable {
            configs.push(topic(&self.trace_topic, 1, READ_WRITE));
        }
        if self.timer_enable {
            configs.push(topic(names::TIMER_TOPIC, 1, READ_WRITE));
        }
        configs
    }
}
