//! Consumer groups and their settings.

use std::collections::BTreeMap;

use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

use super::{DataVersion, GroupRetryPolicyType};

/// Settings of a consumer group (Java: `SubscriptionGroupConfig`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupConfig {
    /// Further settings by name.
    pub attributes: BTreeMap<String, String>,
    /// Broker to pull from; 0 is the master.
    pub broker_id: i64,
    /// Whether the group may broadcast.
    pub consume_broadcast_enable: bool,
    /// Whether the group may consume.
    pub consume_enable: bool,
    /// Whether the group may start at the first message.
    pub consume_from_min_enable: bool,
    /// Whether the group consumes in order.
    pub consume_message_orderly: bool,
    /// Longest time to consume one message, in minutes.
    pub consume_timeout_minute: i32,
    /// Name of the group.
    pub group_name: String,
    /// Delays between attempts.
    pub group_retry_policy: GroupRetryPolicy,
    /// Bits of the group; 1 is unit mode.
    pub group_sys_flag: i32,
    /// Whether members are told when others come and go.
    pub notify_consumer_ids_changed_enable: bool,
    /// Attempts before a message goes to the dead letter queue.
    pub retry_max_times: i32,
    /// Queues of its retry topic.
    pub retry_queue_nums: i32,
    /// Subscriptions that are fixed at the broker.
    pub subscription_data_set: Option<Vec<SimpleSubscriptionData>>,
    /// Broker to pull from when the group is far behind.
    pub which_broker_when_consume_slowly: i64,
}

impl Default for SubscriptionGroupConfig {
    /// Java's defaults.
    fn default() -> Self {
        SubscriptionGroupConfig {
            attributes: Default::default(),
            broker_id: Default::default(),
            consume_broadcast_enable: true,
            consume_enable: true,
            consume_from_min_enable: true,
            consume_message_orderly: Default::default(),
            consume_timeout_minute: 15,
            group_name: Default::default(),
            group_retry_policy: Default::default(),
            group_sys_flag: Default::default(),
            notify_consumer_ids_changed_enable: true,
            retry_max_times: 16,
            retry_queue_nums: 1,
            subscription_data_set: Default::default(),
            which_broker_when_consume_slowly: 1,
        }
    }
}

impl SubscriptionGroupConfig {
    /// The settings of a new group.
    pub fn new(group_name: impl Into<String>) -> Self {
        SubscriptionGroupConfig { group_name: group_name.into(), ..Self::default() }
    }
}

/// Delays between attempts (Java: `GroupRetryPolicy`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupRetryPolicy {
    /// Delays by a list.
    pub customized_retry_policy: Option<CustomizedRetryPolicy>,
    /// Delays that grow by a factor.
    pub exponential_retry_policy: Option<ExponentialRetryPolicy>,
    /// Which of the two holds.
    #[serde(rename = "type")]
    pub policy_type: GroupRetryPolicyType,
}

/// Where the list of a [`CustomizedRetryPolicy`] begins: it is a table of delay levels, and retries begin with the third.
const FIRST_RETRY_INDEX: usize = 2;

impl GroupRetryPolicy {
    /// How long a message waits that was tried again `reconsume_times` times before, in milliseconds; `None` where the
    /// group has no policy of its own, so that the broker's delay levels hold.
    ///
    /// As Java's `RetryPolicy.nextDelayDuration`: a list is entered at its third place, and its last one holds for all
    /// that follow.
    pub fn delay_ms(&self, reconsume_times: i32) -> Option<i64> {
        let times = usize::try_from(reconsume_times).unwrap_or(0);
        let delay_ms = match &self.policy_type {
            GroupRetryPolicyType::Customized => {
                let next = &self.customized_retry_policy.as_ref()?.next;
                *next.get(times.saturating_add(FIRST_RETRY_INDEX)).or(next.last())?
            }
            GroupRetryPolicyType::Exponential => self.exponential_retry_policy?.delay_ms(times),
        };
        Some(delay_ms.max(0))
    }
}

/// Delays that grow by a factor (Java: `ExponentialRetryPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExponentialRetryPolicy {
    /// First delay in milliseconds.
    pub initial: i64,
    /// Longest delay in milliseconds.
    pub max: i64,
    /// Factor from one to the next.
    pub multiplier: i64,
}

impl ExponentialRetryPolicy {
    fn delay_ms(&self, times: usize) -> i64 {
        let power = self.multiplier.saturating_pow(times.min(32) as u32);
        self.initial.saturating_mul(power).min(self.max)
    }
}

impl Default for ExponentialRetryPolicy {
    /// Java's defaults.
    fn default() -> Self {
        ExponentialRetryPolicy { initial: 5_000, max: 7_200_000, multiplier: 2 }
    }
}

/// Delays by a list (Java: `CustomizedRetryPolicy`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomizedRetryPolicy {
    /// Delays in milliseconds, of the first attempt and so on.
    #[serde(serialize_with = "array")]
    pub next: Vec<i64>,
}

/// As an array of Java, not as a list: it stays in one line.
fn array<S: Serializer>(numbers: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
    let mut array = serializer.serialize_tuple(numbers.len())?;
    numbers.iter().try_for_each(|number| array.serialize_element(number))?;
    array.end()
}

/// A subscription fixed at the broker (Java: `SimpleSubscriptionData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SimpleSubscriptionData {
    /// Which messages.
    pub expression: Option<String>,
    /// `TAG` or `SQL92`.
    pub expression_type: Option<String>,
    /// The topic.
    pub topic: String,
    /// When it was made, in milliseconds since 1970.
    pub version: i64,
}

/// All groups of a broker, and the file `subscriptionGroup.json` (Java: `SubscriptionGroupWrapper`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupWrapper {
    /// How new the table is.
    pub data_version: DataVersion,
    /// Group to topic to bits that forbid.
    pub forbidden_table: Option<BTreeMap<String, BTreeMap<String, i32>>>,
    /// Name to settings.
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}

/// Answer of `UPDATE_AND_GET_GROUP_FORBIDDEN` (Java: `GroupForbidden`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupForbidden {
    /// The group.
    pub group: String,
    /// Whether it may pull from the topic.
    pub readable: Option<bool>,
    /// The topic.
    pub topic: String,
}

/// Request of `UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST` (Java: `SubscriptionGroupList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupList {
    /// The groups.
    pub group_config_list: Vec<SubscriptionGroupConfig>,
}

/// Answer of `QUERY_TOPIC_CONSUME_BY_WHO` (Java: `GroupList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    /// Names of groups.
    pub group_list: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_those_of_java() {
        let listed = |next: &[i64]| GroupRetryPolicy {
            customized_retry_policy: Some(CustomizedRetryPolicy { next: next.to_vec() }),
            ..GroupRetryPolicy::default()
        };
        let delays = |policy: GroupRetryPolicy| [-1, 0, 1, 2, 99].map(|times| policy.delay_ms(times));
        assert_eq!(delays(GroupRetryPolicy::default()), [None; 5]);
        assert_eq!(delays(listed(&[])), [None; 5]);
        assert_eq!(delays(listed(&[7])), [Some(7); 5]);
        assert_eq!(delays(listed(&[1, 2, 3, 4])), [3, 3, 4, 4, 4].map(Some));
        assert_eq!(delays(listed(&[1, 2, -3])), [Some(0); 5]);
        let growing = |initial, max, multiplier| GroupRetryPolicy {
            exponential_retry_policy: Some(ExponentialRetryPolicy { initial, max, multiplier }),
            policy_type: GroupRetryPolicyType::Exponential,
            ..GroupRetryPolicy::default()
        };
        assert_eq!(delays(growing(5_000, 7_200_000, 2)), [5_000, 5_000, 10_000, 20_000, 7_200_000].map(Some));
        assert_eq!(delays(growing(i64::MAX, i64::MAX, i64::MAX)), [Some(i64::MAX); 5]);
        assert_eq!(delays(growing(5, 100, -10)), [5, 5, 0, 100, 100].map(Some));
    }
}
