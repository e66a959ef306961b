//! The JSON bodies of requests and answers, one file per family.
//!
//! A type has Java's name and Java's fields; what a peer leaves out gets Java's default, what it adds is ignored.
//! Sets are `Vec`s: Java's order is kept. Maps are sorted by key.

mod assignment;
mod broker_stats;
mod cold_data;
mod connection;
mod consume_queue;
mod consume_stats;
mod consumer_offset;
mod controller;
mod data_version;
mod form;
mod group;
mod ha;
mod heartbeat;
mod kv;
mod lite;
mod lock;
mod names;
mod pop;
mod register_binary;
mod reset_offset;
mod route;
mod running_info;
mod topic;
mod topic_mapping;

pub use assignment::{
    MessageQueueAssignment, MessageRequestModeSerializeWrapper, QueryAssignmentRequestBody,
    QueryAssignmentResponseBody, SetMessageRequestModeRequestBody,
};
pub use broker_stats::{BrokerStatsData, BrokerStatsItem};
pub use cold_data::{ColdDataFlowCtrInfo, ColdReads};
pub use connection::{
    Connection, ConsumerConnection, GetConsumerListByGroupResponseBody, ProducerConnection, ProducerInfo,
    ProducerTableInfo,
};
pub use consume_queue::{ConsumeQueueData, QueryConsumeQueueResponseBody};
pub use consume_stats::{
    ConsumeStats, ConsumeStatsList, OffsetWrapper, QueryConsumeTimeSpanBody, QueueTimeSpan,
};
pub use consumer_offset::{
    ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper, QueryCorrectionOffsetBody, TimerMetric,
    TimerMetricsSerializeWrapper, TransactionMetricsSerializeWrapper,
};
pub use controller::{
    BrokerReplicasInfo, ElectMasterResponseBody, EpochEntry, EpochEntryCache, ReplicaIdentity, ReplicasInfo,
    SyncStateSet,
};
pub use data_version::DataVersion;
pub use eruca_message::MessageQueue;
pub use form::{BodyError, from_json, to_json, to_json_pretty, to_standard_json};
pub use group::{
    CustomizedRetryPolicy, ExponentialRetryPolicy, GroupForbidden, GroupList, GroupRetryPolicy,
    SimpleSubscriptionData, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupWrapper,
};
pub use ha::{HaClientRuntimeInfo, HaConnectionRuntimeInfo, HaRuntimeInfo};
pub use heartbeat::{
    CheckClientRequestBody, ConsumerData, HeartbeatData, ProducerData, QuerySubscriptionResponseBody,
    SubscriptionData,
};
pub use kv::{KVTable, KvConfigSerializeWrapper};
pub use lite::{
    ClientGroup, GetBrokerLiteInfoResponseBody, GetLiteClientInfoResponseBody, GetLiteGroupInfoResponseBody,
    GetLiteTopicInfoResponseBody, GetParentTopicInfoResponseBody, LiteLagInfo,
    LiteSubscriptionCtlRequestBody, LiteSubscriptionDto, OffsetOption,
};
pub use lock::{LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody};
pub use names::{
    CMResult, ConsumeFromWhere, ConsumeType, GroupRetryPolicyType, LiteSubscriptionAction, MessageModel,
    MessageRequestMode, OffsetOptionType, TopicFilterType, UnknownName,
};
pub use pop::{BatchAck, BatchAckMessageRequestBody, BitSet};
pub use register_binary::RegisterBodyError;
pub use reset_offset::{GetConsumerStatusBody, MessageQueueForC, ResetOffsetBody, ResetOffsetBodyForC};
pub use route::{
    BrokerData, BrokerMemberGroup, ClusterInfo, GetBrokerMemberGroupResponseBody, QueueData, TopicRouteData,
};
pub use running_info::{
    ConsumeMessageDirectlyResult, ConsumeStatus, ConsumerRunningInfo, PopProcessQueueInfo, ProcessQueueInfo,
};
pub use topic::{
    CreateTopicListRequestBody, RegisterBrokerBody, TopicConfig, TopicConfigAndMappingSerializeWrapper,
    TopicConfigAndQueueMapping, TopicConfigSerializeWrapper, TopicList, TopicOffset, TopicStatsTable,
};
pub use topic_mapping::{LogicQueueMappingItem, TopicQueueMappingDetail, TopicQueueMappingInfo};

/// A map whose keys are objects in JSON: `{{"brokerName":"a","queueId":0,"topic":"T"}:1}`.
pub type QueueMap<V> = std::collections::BTreeMap<MessageQueue, V>;
