//! What an operator can set about a broker: Java's keys, one row each.

use std::{
    net::{IpAddr, ToSocketAddrs},
    path::PathBuf,
};

use eruca_message::DelayLevelsError;
use eruca_protocol::body::MessageRequestMode;
use eruca_store::StoreConfigError;

use crate::{
    registration::name_server_addresses,
    role::{Role, Standing},
};

eruca_config::choice! {
    /// When a message counts as stored.
    pub enum FlushDiskType = "ASYNC_FLUSH or SYNC_FLUSH" {
        /// When the kernel has it: it survives a killed broker, not a power cut.
        Async = "ASYNC_FLUSH",
        /// When the disk has it.
        Sync = "SYNC_FLUSH",
    }
}

eruca_config::choice! {
    /// What the broker is in its group.
    pub enum BrokerRole = "ASYNC_MASTER, SYNC_MASTER or SLAVE" {
        /// A master that does not wait for slaves.
        AsyncMaster = "ASYNC_MASTER",
        /// A master that waits for slaves, where it has any.
        SyncMaster = "SYNC_MASTER",
        /// A copy of a master.
        Slave = "SLAVE",
    }
}

eruca_config::choice! {
    /// How members of a group get messages where nobody set it.
    pub enum DefaultRequestMode = "PULL or POP" {
        /// Each queue belongs to one member, which pulls it.
        Pull = "PULL",
        /// Members pop from queues that they share.
        Pop = "POP",
    }
}

impl From<DefaultRequestMode> for MessageRequestMode {
    fn from(mode: DefaultRequestMode) -> Self {
        match mode {
            DefaultRequestMode::Pull => MessageRequestMode::Pull,
            DefaultRequestMode::Pop => MessageRequestMode::Pop,
        }
    }
}

eruca_config::keys! {
    /// Settings of a broker (Java: `BrokerConfig`, `MessageStoreConfig` and `NettyServerConfig` in one file).
    pub struct BrokerConfig of eruca_config::java::BROKER {
        /// Name of the broker group, shared by a master and its slaves; by default the host's name.
        broker_name: String = "brokerName", default_broker_name();
        /// Name of the cluster.
        broker_cluster_name: String = "brokerClusterName", "DefaultCluster".to_owned();
        /// Number in the group: 0 for a master, above for a slave.
        broker_id: i64 = "brokerId", 0, [-1..];
        /// What the broker is in its group.
        broker_role: BrokerRole = "brokerRole", BrokerRole::AsyncMaster;
        /// Name servers, `host:port` separated by `;`.
        namesrv_addr: Option<String> = "namesrvAddr", None;
        /// Address to listen on.
        bind_address: String = "bindAddress", "0.0.0.0".to_owned();
        /// TCP port for clients; the VIP port is two below. 0: two free ports.
        listen_port: u16 = "listenPort", 10911;
        /// Address (IP or host name) that clients are told; by default that of the interface towards the name servers.
        broker_ip1: Option<String> = "brokerIP1", None;
        /// Address that slaves are told; by default as brokerIP1.
        broker_ip2: Option<String> = "brokerIP2", None;
        /// Port for slaves, told to name servers; by default listenPort + 1.
        ha_listen_port: Option<u16> = "haListenPort", None;
        /// `host:port` of the HA service of the master to copy; by default what name servers say.
        ha_master_address: Option<String> = "haMasterAddress", None;
        /// After so much silence master and slave give each other a sign of life, in ms.
        ha_send_heartbeat_interval: i64 = "haSendHeartbeatInterval", 5_000, [10..=600_000], live;
        /// After so much silence they take each other for gone, in ms.
        ha_housekeeping_interval: i64 = "haHousekeepingInterval", 20_000, [100..=3_600_000], live;
        /// Most bytes of the log that go to a slave in one frame.
        ha_transfer_batch_size: usize = "haTransferBatchSize", 32_768, [1..=4_194_292], live;
        /// A slave that lacks less of the log is in sync, in bytes.
        ha_max_gap_not_in_sync: u64 = "haMaxGapNotInSync", 268_435_456, [1..], live;
        /// Whether the rate at which a slave is sent the log has a limit.
        ha_flow_control_enable: bool = "haFlowControlEnable", false, live;
        /// That limit, in bytes per second.
        max_ha_transfer_byte_in_second: u64 = "maxHaTransferByteInSecond", 104_857_600, [1..], live;
        /// How long a send waits for slaves with SYNC_MASTER, in ms.
        slave_timeout: i64 = "slaveTimeout", 3_000, [1..=600_000], live;
        /// How many brokers have to have a message with SYNC_MASTER, this one with them; with 1 none is waited for.
        in_sync_replicas: usize = "inSyncReplicas", 1, [1..=64], live;
        /// With how few enableAutoInSyncReplicas is content.
        min_in_sync_replicas: usize = "minInSyncReplicas", 1, [1..=64], live;
        /// How many brokers the group has, the master with them.
        total_replicas: usize = "totalReplicas", 1, [1..=64];
        /// Whether most of totalReplicas brokers have to lock a queue, so that its lock outlives the one that was asked.
        lock_in_strict_mode: bool = "lockInStrictMode", false, live;
        /// Whether fewer than inSyncReplicas are enough where fewer are in sync; with enableSlaveActingMaster only.
        enable_auto_in_sync_replicas: bool = "enableAutoInSyncReplicas", false, live;
        /// Whether the whole in-sync set has to have a message; with a controller only.
        all_ack_in_sync_state_set: bool = "allAckInSyncStateSet", false, live;
        /// Permission bits of the whole broker: 4 read, 2 write.
        broker_permission: i32 = "brokerPermission", 6, [0..=7], live;
        /// Region, written to each message and answer.
        region_id: String = "regionId", "DefaultRegion".to_owned();
        /// Whether clients shall trace messages of this broker.
        trace_on: bool = "traceOn", true, live;
        /// Whether replies are stored as well as passed on.
        store_reply_message_enable: bool = "storeReplyMessageEnable", true, live;
        /// Whether there is a topic for traces.
        trace_topic_enable: bool = "traceTopicEnable", false;
        /// Its name.
        msg_trace_topic_name: String = "msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC".to_owned();

        /// Whether a first send creates its topic.
        auto_create_topic_enable: bool = "autoCreateTopicEnable", true;
        /// Queues of the template for such topics; a client may ask for fewer.
        default_topic_queue_nums: i32 = "defaultTopicQueueNums", 8, [1..=1024];
        /// Whether a first use creates its consumer group.
        auto_create_subscription_group: bool = "autoCreateSubscriptionGroup", true;
        /// Whether the topic named as the cluster may be sent to and pulled from.
        cluster_topic_enable: bool = "clusterTopicEnable", true;
        /// Whether the topic named as the broker may be sent to and pulled from.
        broker_topic_enable: bool = "brokerTopicEnable", true;
        /// Whether system topics are protected against changes by administrators.
        validate_system_topic_when_update_topic: bool = "validateSystemTopicWhenUpdateTopic", true, live;
        /// Whether half messages of transactions are refused.
        reject_transaction_message: bool = "rejectTransactionMessage", false, live;
        /// For how long a producer is not asked for the outcome of a transaction, in ms.
        transaction_time_out: i64 = "transactionTimeOut", 6_000, [1..=86_400_000], live;
        /// How often it is asked before the transaction is given up.
        transaction_check_max: i32 = "transactionCheckMax", 15, [0..=10_000], live;
        /// Pause between two questions for the same transaction, in ms.
        transaction_check_interval: i64 = "transactionCheckInterval", 30_000, [1..=86_400_000], live;
        /// Pause between two looks at whether the file `transactionMetrics` has to be written, in ms.
        transaction_metric_flush_interval: i64 = "transactionMetricFlushInterval", 10_000, [100..=3_600_000], live;
        /// Most bytes of a record that says which transactions are ended.
        transaction_op_msg_max_size: usize = "transactionOpMsgMaxSize", 4096, [1..=1_048_576], live;
        /// Time (ms since 1970) before which no message is taken.
        start_accept_send_request_time_stamp: i64 = "startAcceptSendRequestTimeStamp", 0, live;

        /// Whether a pull without a message waits for one.
        long_polling_enable: bool = "longPollingEnable", true, live;
        /// How long it waits where longPollingEnable is false, in ms.
        short_polling_time_mills: i64 = "shortPollingTimeMills", 1000, [0..=600_000], live;
        /// Whether LITE_PULL_MESSAGE is served.
        lite_pull_message_enable: bool = "litePullMessageEnable", true, live;
        /// Whether a reset of offsets is done by the broker, at the group's next pull; else its members are told.
        use_server_side_reset_offset: bool = "useServerSideResetOffset", true, live;
        /// Whether members of a consumer group are told when it changes.
        notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable", true, live;
        /// Whether consumers may filter by SQL92 expressions.
        enable_property_filter: bool = "enablePropertyFilter", false, live;
        /// How long the expressions of a group that is gone are kept in consumerFilter.json, in ms.
        filter_data_clean_time_span: i64 = "filterDataCleanTimeSpan", 86_400_000, [0..];
        /// For the bloom filter that a Java broker expects there: its rate of errors (percent).
        max_error_rate_of_bloom_filter: i32 = "maxErrorRateOfBloomFilter", 20, [1..=99];
        /// And the number of groups that it is made for.
        expect_consumer_num_use_filter: i32 = "expectConsumerNumUseFilter", 32, [1..=1_000_000];
        /// Most messages of a pull.
        pull_batch_max_message_count: i32 = "pullBatchMaxMessageCount", 160, [1..=1024], live;
        /// Most bytes of a pull of recent messages.
        max_transfer_bytes_on_message_in_memory: i64 = "maxTransferBytesOnMessageInMemory", 262_144, [1..=16_777_216], live;
        /// Most messages of a pull of recent messages.
        max_transfer_count_on_message_in_memory: i32 = "maxTransferCountOnMessageInMemory", 32, [1..=1024], live;
        /// Most bytes of a pull of old messages.
        max_transfer_bytes_on_message_in_disk: i64 = "maxTransferBytesOnMessageInDisk", 65_536, [1..=16_777_216], live;
        /// Most messages of a pull of old messages.
        max_transfer_count_on_message_in_disk: i32 = "maxTransferCountOnMessageInDisk", 8, [1..=1024], live;
        /// Bytes of queue entries that one pull may look through.
        max_filter_message_size: i32 = "maxFilterMessageSize", 16_000, [20..=2_000_000], live;
        /// Share of memory (percent) up to which a backlog counts as recent.
        access_message_in_memory_max_ratio: i32 = "accessMessageInMemoryMaxRatio", 40, [1..=100], live;
        /// Whether slow consumers are sent to a slave.
        slave_read_enable: bool = "slaveReadEnable", false, live;
        /// Whether a slave tells consumers that are beyond the end of its copy to go back to it; else they wait.
        offset_check_in_slave: bool = "offsetCheckInSlave", false, live;

        /// Time after which a client without heartbeat is forgotten, in ms.
        channel_expired_timeout: i64 = "channelExpiredTimeout", 120_000, [1_000..];
        /// Eruca's own: a queue of a group that is online counts as stuck when nobody pulled it for so many s; 0: never.
        stuck_consumer_seconds: i64 = "stuckConsumerSeconds", 120, [0..], live;
        /// Time after which a silent connection is closed, in s.
        server_channel_max_idle_time_seconds: u32 = "serverChannelMaxIdleTimeSeconds", 120, [1..];
        /// Pause between two registrations, in ms; clamped to 10,000..60,000.
        register_name_server_period: i64 = "registerNameServerPeriod", 30_000, [1..];
        /// How long a registration may take, in ms.
        register_broker_timeout_mills: i64 = "registerBrokerTimeoutMills", 24_000, [100..];
        /// Pause between two writes of consumerOffset.json, in ms.
        flush_consumer_offset_interval: i64 = "flushConsumerOffsetInterval", 5_000, [100..];
        /// Pause between two writes of delayOffset.json, in ms.
        flush_delay_offset_interval: i64 = "flushDelayOffsetInterval", 10_000, [100..];
        /// The delay levels.
        message_delay_level: String = "messageDelayLevel",
            "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".to_owned();
        /// Whether messages may have a time of delivery of their own.
        timer_wheel_enable: bool = "timerWheelEnable", true;
        /// Longest delay of such a message, in s.
        timer_max_delay_sec: i64 = "timerMaxDelaySec", 259_200, [1..=2_147_483_647], live;
        /// Length of a slot of the timer wheel, in ms; delivery is exact to the ms in any case.
        timer_precision: i64 = "timerPrecisionMs", 1_000, [1..];
        /// Slots after which a message that waits is parked anew.
        timer_roll_window_slot: i64 = "timerRollWindowSlot", 172_800;
        /// Whether messages that are sent are not taken into the timer wheel; they wait in their topic.
        timer_stop_enqueue: bool = "timerStopEnqueue", false, live;
        /// Whether messages are not delivered when their time comes.
        timer_stop_dequeue: bool = "timerStopDequeue", false, live;
        /// Most messages that are due in one slot; more are refused, at first by chance.
        timer_congest_num_each_slot: i32 = "timerCongestNumEachSlot", i32::MAX, [1..], live;
        /// Pause between two flushes of the timer files, in ms.
        timer_flush_interval: i64 = "timerFlushIntervalMs", 1_000, [100..];
        /// Size of a file of the timer log, in bytes.
        mapped_file_size_timer_log: u64 = "mappedFileSizeTimerLog", 100 << 20, [4_096..];
        /// Whether messages with a time of delivery may be recalled.
        recall_message_enable: bool = "recallMessageEnable", false, live;
        /// Whether they may while the broker takes no messages.
        allow_recall_when_broker_not_writeable: bool = "allowRecallWhenBrokerNotWriteable", true, live;
        /// Whether a recall names the topic with the message's id; a Java broker must be told the same.
        append_topic_for_timer_delete_key: bool = "appendTopicForTimerDeleteKey", false, live;
        /// Most pops and notifications that wait, of one group and queue.
        pop_polling_size: i32 = "popPollingSize", 1024, [1..=1_000_000], live;
        /// Most pops and notifications that wait in all.
        max_pop_polling_size: i64 = "maxPopPollingSize", 100_000, [1..=10_000_000], live;
        /// Queues of the topic in which pops are noted.
        revive_queue_num: i32 = "reviveQueueNum", 8, [1..=256];
        /// How many of 100 pops look for messages that come again before they look at new ones.
        pop_from_retry_probability: i32 = "popFromRetryProbability", 20, [0..=100], live;
        /// The same of pops that go by priority.
        pop_from_retry_probability_for_priority: i32 = "popFromRetryProbabilityForPriority", 0, [0..=100], live;
        /// Whether of the queues of a topic with priorities the highest is the first, else the last.
        priority_order_asc: bool = "priorityOrderAsc", true, live;
        /// Whether retry topics of pops have names from which topic and group can be told (`%RETRY%group+topic`).
        enable_retry_topic_v2: bool = "enableRetryTopicV2", false, live;
        /// Whether retry topics with the older names are popped, too, where enableRetryTopicV2 is true.
        retrieve_message_from_pop_retry_topic_v1: bool = "retrieveMessageFromPopRetryTopicV1", true, live;
        /// Whether popped messages that come again say that they come from a retry topic.
        pop_response_return_actual_retry_topic: bool = "popResponseReturnActualRetryTopic", false, live;
        /// Whether a new group that wants new messages only begins at the first one where the topic is new itself.
        init_pop_offset_by_check_msg_in_mem: bool = "initPopOffsetByCheckMsgInMem", true, live;
        /// Whether groups whose queues the broker assigns pull or pop, where nobody set it (setConsumeMode).
        default_message_request_mode: DefaultRequestMode = "defaultMessageRequestMode", DefaultRequestMode::Pull, live;
        /// With how many others a member shares each queue that it pops; below 1: all share all.
        default_pop_share_queue_num: i32 = "defaultPopShareQueueNum", -1, live;
        /// Whether the broker shares queues among members that ask it; else each is told all of them.
        server_load_balancer_enable: bool = "serverLoadBalancerEnable", true, live;
        /// How long the broker goes by what name servers said of a topic's queues, in ms.
        load_balance_poll_name_server_interval: i64 = "loadBalancePollNameServerInterval", 30_000, [1_000..], live;
        /// Whether the disk is asked for more of the log than a consumer of old messages has read so far.
        data_read_ahead_enable: bool = "dataReadAheadEnable", true, live;
        /// What a group may read of old messages, in bytes: told (getColdDataFlowCtrInfo), and slowing nobody down.
        cg_cold_read_threshold: i64 = "cgColdReadThreshold", 3_145_728, live;
        /// The same of all groups.
        global_cold_read_threshold: i64 = "globalColdReadThreshold", 104_857_600, live;
        /// Most messages that a query by unique id answers.
        default_query_max_num: i32 = "defaultQueryMaxNum", 32, [1..=1024], live;
        /// Most messages that any query by key answers.
        max_msgs_num_batch: i32 = "maxMsgsNumBatch", 64, [1..=1024], live;
        /// Keys that must not be changed over the network, separated by `;`.
        config_black_list: String = "configBlackList", "configBlackList;brokerConfigPath".to_owned();

        /// Data directory; by default `store` in the home directory.
        store_path_root_dir: Option<String> = "storePathRootDir", None;
        /// Directory of the log; by default `commitlog` in the data directory.
        store_path_commit_log: Option<String> = "storePathCommitLog", None;
        /// Further directories of the log that are only read; not part of this version.
        read_only_commit_log_store_paths: Option<String> = "readOnlyCommitLogStorePaths", None;
        /// Size of a segment of the log, in bytes.
        mapped_file_size_commit_log: u64 = "mappedFileSizeCommitLog", 1 << 30;
        /// Size of a consume queue file, in bytes.
        mapped_file_size_consume_queue: u64 = "mappedFileSizeConsumeQueue", 6_000_000;
        /// Size of a batch consume queue file, in bytes.
        mapper_file_size_batch_consume_queue: u64 = "mapperFileSizeBatchConsumeQueue", 13_800_000;
        /// Whether topics and groups named %LMQ%... are light message queues, which need no configuration.
        enable_lmq: bool = "enableLmq", false;
        /// Whether messages get into the queues, too, that their property INNER_MULTI_DISPATCH names.
        enable_multi_dispatch: bool = "enableMultiDispatch", false;
        /// Whether light message queues are limited in number.
        enable_lmq_quota: bool = "enableLmqQuota", false, live;
        /// How many there may be then.
        max_lmq_consume_queue_num: i32 = "maxLmqConsumeQueueNum", 20_000, [1..], live;
        /// Most subscriptions of clients to lite topics.
        max_lite_subscription_count: i64 = "maxLiteSubscriptionCount", 100_000, [1..=100_000_000], live;
        /// Most lite topics with messages that are kept in mind for a client whose group says nothing; of more it is known that
        /// they are.
        max_client_event_count: usize = "maxClientEventCount", 100, [1..=1_000_000], live;
        /// Pause between two searches for clients that do not renew their subscriptions to lite topics, in ms.
        lite_subscription_check_interval: i64 = "liteSubscriptionCheckInterval", 120_000, [100..], live;
        /// After how long without renewal these are removed, in ms.
        lite_subscription_check_timeout_mills: i64 = "liteSubscriptionCheckTimeoutMills", 180_000, [100..], live;
        /// Pause between two searches for lite topics that nobody sends to, in ms.
        lite_ttl_check_interval: i64 = "liteTtlCheckInterval", 120_000, [100..], live;
        /// No lite topic is deleted that got a message since so many ms, nor as soon after a start.
        min_lite_ttl: i64 = "minLiteTTl", 900_000, [0..], live;
        /// Largest message body, in bytes.
        max_message_size: usize = "maxMessageSize", 4 << 20;
        /// When a message counts as stored.
        flush_disk_type: FlushDiskType = "flushDiskType", FlushDiskType::Async;
        /// Pause between two flushes with ASYNC_FLUSH, in ms.
        flush_interval_commit_log: u64 = "flushIntervalCommitLog", 500, [1..=600_000];
        /// How long a send waits for the disk with SYNC_FLUSH, in ms.
        sync_flush_timeout: i64 = "syncFlushTimeout", 5_000, [1..=600_000];
        /// Age at which messages are deleted, in hours.
        file_reserved_time: u32 = "fileReservedTime", 72;
        /// Hours of the local day at which they are deleted, separated by `;`.
        delete_when: String = "deleteWhen", "04".to_owned();
        /// Disk use (percent) above which expired messages are deleted at any hour.
        disk_max_used_space_ratio: u32 = "diskMaxUsedSpaceRatio", 75, [1..=100];
        /// Disk use (percent) above which messages are deleted before they expire.
        disk_space_clean_forcibly_ratio: u32 = "diskSpaceCleanForciblyRatio", 85, [1..=100];
        /// Disk use (percent) above which no message is taken.
        disk_space_warning_level_ratio: u32 = "diskSpaceWarningLevelRatio", 90, [1..=100];
        /// Whether messages may be deleted before they expire.
        clean_file_forcibly_enable: bool = "cleanFileForciblyEnable", true;
        /// Whether messages are indexed by their keys, so that they can be queried.
        message_index_enable: bool = "messageIndexEnable", true;
        /// Hash slots of an index file.
        max_hash_slot_num: u32 = "maxHashSlotNum", 5_000_000;
        /// Entries of an index file.
        max_index_num: u32 = "maxIndexNum", 20_000_000;
        /// Most segments deleted at once.
        delete_file_batch_max: usize = "deleteFileBatchMax", 10, [1..];

        /// How consume queues are kept; `default` only.
        store_type: String = "storeType", "default".to_owned();
        /// Old access control; not part of this version.
        acl_enable: bool = "aclEnable", false;
        /// Authentication; not part of this version.
        authentication_enabled: bool = "authenticationEnabled", false;
        /// Authorization; not part of this version.
        authorization_enabled: bool = "authorizationEnabled", false;
        /// Whether controllers say who is master of the group.
        enable_controller_mode: bool = "enableControllerMode", false;
        /// Their addresses, `host:port`, several separated by `;`.
        controller_addr: String = "controllerAddr", String::new();
        /// Whether each of those names stands for all addresses that DNS has for it.
        fetch_controller_addr_by_dns_lookup: bool = "fetchControllerAddrByDnsLookup", false;
        /// Pause between two questions who is master, in ms.
        sync_broker_metadata_period: i64 = "syncBrokerMetadataPeriod", 5_000, [100..=600_000];
        /// Pause between two looks of a master at the in-sync set, in ms.
        check_sync_state_set_period: i64 = "checkSyncStateSetPeriod", 5_000, [100..=600_000];
        /// A slave that was behind for so long leaves the in-sync set, in ms.
        ha_max_time_slave_not_catchup: i64 = "haMaxTimeSlaveNotCatchup", 15_000, [100..=600_000];
        /// After so long without a sign of life a controller holds the broker for lost, in ms.
        controller_heart_beat_timeout_mills: i64 = "controllerHeartBeatTimeoutMills", 10_000, [1_000..=600_000];
        /// Of brokers with equally long logs the one with the lowest is elected.
        broker_election_priority: i32 = "brokerElectionPriority", i32::MAX, live;
        /// Whether a slave without messages copies the last segment of the log only; set on the master and on the slave.
        sync_from_last_file: bool = "syncFromLastFile", false, live;
        /// Whether the broker never belongs to the in-sync set, and so never becomes master.
        async_learner: bool = "asyncLearner", false, live;
        /// The file that says which master wrote which part of the log; without it `epochFileCheckpoint` in the data directory.
        store_path_epoch_file: Option<String> = "storePathEpochFile", None;
        /// The file with the broker's number in its group; without it `brokerIdentity` in the data directory.
        store_path_broker_identity: Option<String> = "storePathBrokerIdentity", None;
        /// Whether the slave with the smallest id stands in for a lost master.
        enable_slave_acting_master: bool = "enableSlaveActingMaster", false;
        /// Whether a master that comes back goes on at once, without asking the slaves that stood in for it how far they are.
        skip_pre_online: bool = "skipPreOnline", false;
        /// Whether it delivers messages that are due to another group.
        enable_remote_escape: bool = "enableRemoteEscape", false, live;
        /// Pause between two signs of life to name servers, in ms; with enableSlaveActingMaster only.
        broker_heartbeat_interval: u64 = "brokerHeartbeatInterval", 1_000, [100..=600_000];
        /// How long one may take, in ms.
        send_heartbeat_timeout_millis: u64 = "sendHeartbeatTimeoutMillis", 1_000, [100..=600_000];
        /// After so long without one a name server holds the broker for lost, in ms.
        broker_not_active_timeout_millis: i64 = "brokerNotActiveTimeoutMillis", 10_000, [1_000..];
        /// Pause between two questions for the members of the group, in ms; with enableSlaveActingMaster only.
        sync_broker_member_group_period: u64 = "syncBrokerMemberGroupPeriod", 1_000, [100..=600_000];
        /// Whether signs of life have the form that name servers before version 5 know.
        compatible_with_old_name_srv: bool = "compatibleWithOldNameSrv", true;
        /// Failover by DLedger; not part of this version.
        enable_dleger_commit_log: bool = "enableDLegerCommitLog", false;
    }
}

/// Settings that cannot be used together or not at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Two keys contradict each other.
    #[error("{first}={first_value} contradicts {second}={second_value}: {remedy}")]
    Contradiction {
        /// One key.
        first: &'static str,
        /// Its value.
        first_value: String,
        /// The other key.
        second: &'static str,
        /// Its value.
        second_value: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A key asks for what this version does not do and must not silently leave out.
    #[error("{key}={value} asks for what this version of Eruca does not do: {remedy}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What helps.
        remedy: &'static str,
    },
    /// A value is not allowed.
    #[error("{key}='{value}' is not allowed: {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is.
        allowed: String,
    },
    /// A setting of the store.
    #[error(transparent)]
    Store(#[from] StoreConfigError),
    /// The delay levels.
    #[error(transparent)]
    DelayLevels(#[from] DelayLevelsError),
}

impl BrokerConfig {
    /// The port for slaves of a broker that listens for clients at `listen_port`.
    pub fn ha_port(&self, listen_port: u16) -> u16 {
        self.ha_listen_port.filter(|port| *port != 0).unwrap_or(listen_port.wrapping_add(1))
    }

    /// What the broker is at start. With a controller it is nothing until that says what, so that it takes no messages.
    pub(crate) fn standing(&self) -> Standing {
        let role = match self.broker_role {
            _ if self.enable_controller_mode => Role::Slave,
            BrokerRole::Slave => Role::Slave,
            BrokerRole::AsyncMaster | BrokerRole::SyncMaster => Role::Master,
        };
        Standing { role, broker_id: self.broker_id, master: None, epoch: 0 }
    }

    /// The address to listen on.
    pub fn bind_ip(&self) -> Result<IpAddr, ConfigError> {
        self.bind_address.trim().parse().map_err(|_| ConfigError::Value {
            key: "bindAddress",
            value: self.bind_address.chars().take(64).collect(),
            allowed: "write an IP address of this machine, or 0.0.0.0 for all".to_owned(),
        })
    }

    /// The name servers' addresses, `host:port`.
    pub fn name_servers(&self) -> Result<Vec<String>, ConfigError> {
        let text = self.namesrv_addr.as_deref().unwrap_or_default();
        name_server_addresses(text).map_err(|part| ConfigError::Value {
            key: "namesrvAddr",
            value: part,
            allowed: "write host:port, several separated by ';'".to_owned(),
        })
    }

    /// The controllers as the file names them, `host:port`.
    pub(super) fn named_controllers(&self) -> Result<Vec<String>, ConfigError> {
        let list = "write host:port, several separated by ';'";
        let named =
            name_server_addresses(&self.controller_addr).map_err(|part| bad_controller(part, list))?;
        if named.is_empty() {
            let allowed =
                "with enableControllerMode=true name the controllers, host:port, several separated by ';'";
            return Err(bad_controller(self.controller_addr.clone(), allowed));
        }
        Ok(named)
    }

    /// The controllers' addresses, `host:port`; asks DNS where that is wanted.
    pub fn controllers(&self) -> Result<Vec<String>, ConfigError> {
        let named = self.named_controllers()?;
        if !self.fetch_controller_addr_by_dns_lookup {
            return Ok(named);
        }
        let mut found = Vec::new();
        for name in named {
            let addresses = name
                .to_socket_addrs()
                .map_err(|error| bad_controller(name.clone(), &format!("DNS does not know it: {error}")))?;
            found.extend(addresses.map(|address| address.to_string()));
        }
        Ok(found)
    }

    /// The file that says which master wrote which part of the log.
    pub fn epoch_file(&self) -> PathBuf {
        let named = self.store_path_epoch_file.as_ref().map(PathBuf::from);
        named.unwrap_or_else(|| self.store_root().join("epochFileCheckpoint"))
    }

    /// The file with the broker's number in its group.
    pub fn identity_file(&self) -> PathBuf {
        let named = self.store_path_broker_identity.as_ref().map(PathBuf::from);
        named.unwrap_or_else(|| self.store_root().join("brokerIdentity"))
    }

    /// Whether sends may have to wait for slaves: with a controller every master is a SYNC_MASTER.
    pub fn is_sync_master(&self) -> bool {
        self.enable_controller_mode || self.broker_role == BrokerRole::SyncMaster
    }

    /// The data directory.
    pub fn store_root(&self) -> PathBuf {
        match &self.store_path_root_dir {
            Some(root) => PathBuf::from(root),
            None => std::env::home_dir().unwrap_or_default().join("store"),
        }
    }
}

fn bad_controller(value: String, allowed: &str) -> ConfigError {
    ConfigError::Value { key: "controllerAddr", value, allowed: allowed.to_owned() }
}

/// The host's name, with what a topic name must not have replaced.
fn default_broker_name() -> String {
    let uname = rustix::system::uname();
    let name: String = uname
        .nodename()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(100)
        .collect();
    if name.is_empty() { "DEFAULT_BROKER".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use eruca_config::Properties;

    use super::*;

    fn load(text: &str) -> BrokerConfig {
        BrokerConfig::from_properties(&Properties::parse(text).unwrap()).unwrap().keys
    }

    #[test]
    fn javas_sample_file_is_taken_without_notice() {
        let text = "brokerClusterName = DefaultCluster\nbrokerName = broker-a\nbrokerId = 0\ndeleteWhen = 04\n\
                    fileReservedTime = 48\nbrokerRole = ASYNC_MASTER\nflushDiskType = ASYNC_FLUSH\n";
        let loaded = BrokerConfig::from_properties(&Properties::parse(text).unwrap()).unwrap();
        assert_eq!(loaded.notices, []);
        loaded.keys.validate().unwrap();
        let store = loaded.keys.store_config(28_800).unwrap();
        assert_eq!((store.file_reserved_hours, store.delete_when_hours), (48, vec![4]));
        assert_eq!(store.utc_offset_s, 28_800);
        assert_eq!((store.disk_max_used_ratio, store.disk_warning_ratio), (0.75, 0.9));
    }

    #[test]
    fn a_contradiction_names_both_keys() {
        for (text, first, second) in [
            ("brokerId=1", "brokerId=1", "brokerRole=ASYNC_MASTER"),
            ("brokerId=-1", "brokerId=-1", "enableControllerMode=false"),
            ("brokerRole=SLAVE", "brokerId=0", "brokerRole=SLAVE"),
            ("diskMaxUsedSpaceRatio=88", "diskMaxUsedSpaceRatio=88%", "diskSpaceCleanForciblyRatio=85%"),
        ] {
            let error = load(text).validate().unwrap_err().to_string();
            assert!(error.contains(first) && error.contains(second), "{error}");
        }
    }

    #[test]
    fn a_broker_with_a_controller_has_the_number_and_role_that_javas_files_give_it() {
        let config = load(
            "brokerId=-1\nbrokerRole=SLAVE\nenableControllerMode=true\ncontrollerAddr=127.0.0.1:9878;127.0.0.1:9868\n\
             storePathEpochFile=/s/epochFileCheckpoint\n",
        );
        assert!(config.validate().is_ok() && config.is_sync_master());
        assert_eq!(config.controllers().unwrap(), ["127.0.0.1:9878", "127.0.0.1:9868"]);
        assert_eq!(config.epoch_file(), std::path::Path::new("/s/epochFileCheckpoint"));
        let nobody = load("enableControllerMode=true").validate().unwrap_err().to_string();
        assert!(nobody.contains("controllerAddr") && nobody.contains("name the controllers"), "{nobody}");
    }

    #[test]
    fn what_must_not_be_left_out_silently_is_refused() {
        for text in [
            "aclEnable=true",
            "enableDLegerCommitLog=true",
            "storeType=defaultRocksDB",
            "storePathCommitLog=/a,/b",
            "readOnlyCommitLogStorePaths=/a",
        ] {
            let error = load(text).validate().unwrap_err();
            assert!(matches!(error, ConfigError::Unsupported { .. }), "{error}");
        }
    }

    #[test]
    fn a_broker_name_may_begin_with_a_machine_room() {
        assert!(load("brokerName=room-1@broker-a").validate().is_ok());
    }

    #[test]
    fn wrong_values_are_named() {
        for text in [
            "deleteWhen=04;24",
            "bindAddress=x",
            "namesrvAddr=a:b",
            "messageDelayLevel=1x",
            "brokerName=a b",
            "brokerName=@a",
            "brokerClusterName=a@b",
        ] {
            let error = load(text).validate().unwrap_err().to_string();
            assert!(error.contains(text.split('=').next().unwrap()), "{error}");
        }
    }
}
