//! The key names of the Java system (5.5.0 and the 5.3 line), so that a file written for it can be read without false
//! alarms and a mistyped key gets a hint.

/// The key names that one Java component reads from its file.
#[derive(Debug, Clone, Copy)]
pub struct JavaKeys {
    /// `broker` or `namesrv`, for texts.
    pub component: &'static str,
    /// Keys that mean something; separated by blanks.
    meaningful: &'static str,
    /// Keys that tune the JVM, Netty or its thread pools and mean nothing here; separated by blanks.
    tuning: &'static str,
}

/// Keys of a broker's file (Java: `BrokerConfig`, `MessageStoreConfig`, `NettyServerConfig` and others in one file).
pub const BROKER: JavaKeys =
    JavaKeys { component: "broker", meaningful: BROKER_MEANINGFUL, tuning: BROKER_TUNING };

/// Keys of a name server's file (Java: `NamesrvConfig`, `NettyServerConfig` and others in one file).
pub const NAMESRV: JavaKeys =
    JavaKeys { component: "namesrv", meaningful: NAMESRV_MEANINGFUL, tuning: NAMESRV_TUNING };

/// Keys of a controller's file (Java: `ControllerConfig`, `JraftConfig`, `NettyServerConfig` and others in one file).
pub const CONTROLLER: JavaKeys =
    JavaKeys { component: "controller", meaningful: CONTROLLER_MEANINGFUL, tuning: CONTROLLER_TUNING };

impl JavaKeys {
    /// Whether the Java component knows `key` and it matters there.
    pub fn is_meaningful(&self, key: &str) -> bool {
        self.meaningful.split_whitespace().any(|known| known == key)
    }

    /// Whether `key` tunes only the Java system's own machinery: accepted and ignored here.
    pub fn is_tuning(&self, key: &str) -> bool {
        self.tuning.split_whitespace().any(|known| known == key)
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.meaningful.split_whitespace().chain(self.tuning.split_whitespace())
    }
}

const BROKER_MEANINGFUL: &str = "\
    accessMessageInMemoryHotRatio accessMessageInMemoryMaxRatio accountStatsEnable \
    accountStatsPrintZeroValues aclCacheExpiredSecond aclCacheMaxNum aclCacheRefreshSecond aclEnable \
    allAckInSyncStateSet allowRecallWhenBrokerNotWriteable appendAckAsync appendCkAsync \
    appendTopicForTimerDeleteKey asyncLearner asyncSendEnable authConfigPath authenticationEnabled \
    authenticationMetadataProvider authenticationProvider authenticationStrategy authenticationWhitelist \
    authorizationEnabled authorizationMetadataProvider authorizationProvider authorizationStrategy \
    authorizationWhitelist autoCreateSubscriptionGroup autoCreateTopicEnable autoDeleteUnusedStats \
    autoMessageVersionOnTopicLen bindAddress bitMapLengthConsumeQueueExt \
    bottomMostCompressionTypeForConsumeQueueStore broadcastOffsetExpireMaxSecond \
    broadcastOffsetExpireSecond brokerClusterName brokerConfigPath brokerElectionPriority \
    brokerFastFailureEnable brokerHeartbeatInterval brokerIP1 brokerIP2 brokerId brokerName \
    brokerNotActiveTimeoutMillis brokerPermission brokerRole brokerTopicEnable cgColdReadThreshold \
    channelExpiredTimeout channelNotActiveInterval checkCRCOnRecover checkCommitLogOffsetOnRecover \
    checkSyncStateSetPeriod cleanFileForciblyEnable cleanOfflineBrokerInterval cleanResourceInterval \
    cleanRocksDBDirtyCQIntervalMin clearRetryTopicWhenDeleteTopic clientChannelMaxIdleTimeSeconds \
    clientCloseSocketIfTimeout clusterName clusterTopicEnable coldCtrStrategyEnable \
    coldDataFlowControlEnable coldDataScanEnable combineAssignOffsetCQType combineCQEnableCheckSelf \
    combineCQLoadingCQTypes combineCQMaxExtraSearchCommitLogFiles combineCQPreferCQType \
    combineCQUseRocksdbForLmq commercialBaseCount commercialSizePerMsg commitCommitLogLeastPages \
    commitCommitLogThoroughInterval commitLogRecoverMaxNum commitLogRollingInterval \
    commitLogRollingMinimumSize compactionCqMappedFileSize compactionMappedFileSize \
    compactionScheduleInternal compactionThreadNum compatibleWithOldNameSrv compressedRegister \
    configBlackList configManagerVersion configName connectTimeoutMillis consumerFallbehindThreshold \
    consumerOffsetUpdateVersionStep controllerAddr controllerHeartBeatTimeoutMills \
    correctLogicMinOffsetForceInterval correctLogicMinOffsetSleepInterval dLegerGroup dLegerPeers \
    dLegerSelfId dataReadAheadEnable defaultMessageRequestMode defaultPopShareQueueNum \
    defaultQueryMaxNum defaultTopicQueueNums delayOffsetUpdateVersionStep deleteCommitLogFilesInterval \
    deleteConsumeQueueFilesInterval deleteFileBatchMax deleteWhen destroyMapedFileIntervalForcibly \
    disableCallbackExecutor disableConsumeIfConsumerReadSlowly disappearTimeAfterStart diskFallRecorded \
    diskMaxUsedSpaceRatio diskSpaceCleanForciblyRatio diskSpaceWarningLevelRatio dispatchCqCacheNum \
    dispatchFromSenderThread duplicationEnable enableAcceleratedRecovery enableAsyncReput \
    enableAutoInSyncReplicas enableBatchPush enableBroadcastOffsetStore \
    enableBuildConsumeQueueConcurrently enableCalcFilterBitMap enableCleanExpiredOffset enableCompaction \
    enableConnectionMetrics enableConsumeQueueExt enableControllerMode enableCreateSysGroup \
    enableDLegerCommitLog enableDetailStat enableFastChannelEventProcess enableLagAndDlqMetrics \
    enableLmq enableLmqQuota enableLmqStats \
    enableLogConsumeQueueRepeatedlyBuildWhenRecover enableMessageStoreMetrics enableMixedMessageType \
    enableMultiDispatch enableNetWorkFlowControl enableNotifyAfterPopOrderLockRelease \
    enableNotifyBeforePopCalculateLag enablePopBatchAck enablePopBufferMerge enablePopMessageThreshold \
    enablePopMetrics enablePropertyFilter enableReconnectForGoAway enableRegisterProducer \
    enableRemoteEscape enableRemotingMetrics enableRequestMetrics enableRetryTopicV2 \
    enableRunningFlagsInFlush enableScheduleAsyncDeliver enableScheduleMessageStats \
    enableShutdownGracefully enableSingleTopicRegister enableSkipLongAwaitingAck enableSlaveActingMaster \
    enableSplitMetadata enableSplitRegistration enableStatsMetrics enableTransactionMetrics \
    enabledAppendPropCRC estimateAccumulation expectConsumerNumUseFilter fastFailIfNoBufferInStorePool \
    fetchControllerAddrByDnsLookup fetchNameSrvAddrByDnsLookup fetchNamesrvAddrByAddressServer \
    fetchNamesrvAddrInterval fileReservedTime filterDataCleanTimeSpan filterSupportRetry \
    flushCommitLogLeastPages flushCommitLogThoroughInterval flushCommitLogTimed \
    flushConsumeQueueLeastPages flushConsumeQueueThoroughInterval flushConsumerOffsetHistoryInterval \
    flushConsumerOffsetInterval flushDelayOffsetInterval flushDiskType flushIntervalCommitLog \
    flushIntervalConsumeQueue flushLeastPagesWhenWarmMapedFile forceRegister forceVerifyPropCRC \
    forwardTimeout globalColdReadThreshold haFlowControlEnable haHousekeepingInterval haListenPort \
    haMasterAddress haMaxGapNotInSync haMaxTimeSlaveNotCatchup haSendHeartbeatInterval \
    haTransferBatchSize highSpeedMode inSyncReplicas indexFileReadEnable indexFileWriteEnable \
    indexRocksDBEnable initAuthenticationUser initPopOffsetByCheckMsgInMem \
    innerClientAuthenticationCredentials isBrokerContainer isInBrokerContainer isScanAvailableNameSrv \
    iteratorWhenUseRocksdbConsumeQueue listenPort \
    liteLagCountMetricsEnable liteLagLatencyCollectEnable \
    liteLagLatencyMetricsEnable liteLagLatencyTopK litePullMessageEnable liteSubscriptionCheckInterval \
    liteSubscriptionCheckTimeoutMills liteTtlCheckInterval loadBalancePollNameServerInterval \
    logicalDiskSpaceCleanForciblyThreshold longPollingEnable mappedFileSizeCommitLog \
    mappedFileSizeConsumeQueue mappedFileSizeConsumeQueueExt mappedFileSizeTimerLog \
    mapperFileSizeBatchConsumeQueue maxAsyncPutMessageRequests maxBatchDeleteFilesNum maxChecksumRange \
    maxClientEventCount maxConsumeQueueScan maxErrorRateOfBloomFilter maxFilterMessageSize \
    maxHaTransferByteInSecond maxHashSlotNum maxIndexNum maxLiteSubscriptionCount maxLmqConsumeQueueNum \
    maxMessageFilterNumForNotification maxMessageSize maxMsgsNumBatch maxOffsetMapSize maxPopPollingSize \
    maxReconnectIntervalTimeSeconds maxRocksDBIndexQueryDays maxSlaveResendLength \
    maxStatsIdleTimeInMinutes maxTopicLength maxTransferBytesOnMessageInDisk \
    maxTransferBytesOnMessageInMemory maxTransferCountOnMessageInDisk maxTransferCountOnMessageInMemory \
    memTableFlushIntervalMs messageDelayLevel messageIndexEnable messageIndexSafe messageStorePlugIn \
    metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills \
    metricLoggingExporterIntervalInMills metricsExportBatchMaxDataPoints metricsExporterType \
    metricsGrpcExporterHeader metricsGrpcExporterTarget metricsInDelta metricsLabel \
    metricsOtelCardinalityLimit metricsPromExporterHost metricsPromExporterPort migrateAuthFromV1Enabled \
    minInSyncReplicas minLiteTTl msgTraceTopicName namesrvAddr notifyConsumerIdsChangedEnable \
    objectStoreAccessKey objectStoreBucket objectStoreEndpoint objectStoreSecretKey offsetCheckInSlave \
    osPageCacheBusyTimeOutMills persistConsumerOffsetIncrementally popCkMaxBufferSize \
    popCkOffsetMaxQueueSize popCkStayBufferTime popCkStayBufferTimeOut popConsumerFSServiceInit \
    popConsumerKVServiceEnable popConsumerKVServiceInit popFromRetryProbability \
    popFromRetryProbabilityForPriority popInflightMessageThreshold popLongPollingForceNotifyInterval \
    popPollingMapExpireTimeSeconds popPollingMapSize popPollingSize popResponseReturnActualRetryTopic \
    popReviveConcurrency popReviveMaxAttemptTimes popReviveMaxReturnSizePerRead \
    popReviveSkipIfGroupAbsent preferredLeaderId printChannelGroups printChannelGroupsMinNum \
    priorityOrderAsc pullBatchMaxMessageCount putConsumeQueueDataByFileChannel putMessageTimeout \
    putMsgIndexHightWater readAheadCacheEnable readAheadCacheExpireDuration \
    readAheadCacheSizeThresholdRate readAheadMessageCountThreshold readAheadMessageSizeThreshold \
    readOnlyCommitLogStorePaths readUnCommitted realTimeNotifyConsumerChange \
    realTimePersistRocksDBConfig recallMessageEnable recheckReputOffsetFromCq recordGetMessageResult \
    redeleteHangedFileInterval regionId registerBrokerTimeoutMills registerNameServerPeriod \
    rejectPullConsumerEnable rejectTransactionMessage replicasPerDiskPartition \
    retrieveMessageFromPopRetryTopicV1 reviveAckWaitMs reviveInterval reviveMaxSlow reviveQueueNum \
    reviveScanTime rocketmqHome rocksdbCQDoubleWriteEnable rocksdbCompressionType \
    rocksdbFlushWalFrequency rocksdbWalFileRollingThreshold sampleCountThreshold sampleSteps \
    scheduleAsyncDeliverMaxPendingLimit scheduleAsyncDeliverMaxResendNum2Blocked searchBcqByCacheEnable \
    sendHeartbeatTimeoutMillis serverChannelMaxIdleTimeSeconds serverLoadBalancerEnable \
    serverSocketBacklog sharedByteBufferNum shortPollingTimeMills shutdownWaitTimeSeconds skipPreOnline \
    skipWhenCKRePutReachMaxTimes slaveReadEnable slaveTimeout socksProxyConfig splitMetadataSize \
    splitRegistrationSize startAcceptSendRequestTimeStamp statRocksDBCQIntervalSec \
    statefulAuthenticationCacheExpiredSecond statefulAuthenticationCacheMaxNum \
    statefulAuthorizationCacheExpiredSecond statefulAuthorizationCacheMaxNum storePathBrokerIdentity \
    storePathCommitLog storePathDLedgerCommitLog storePathEpochFile storePathRootDir \
    storeReplyMessageEnable storeType subscriptionExpiredTimeout syncBrokerMemberGroupPeriod \
    syncBrokerMetadataPeriod syncControllerMetadataPeriod syncFlushTimeout syncFromLastFile \
    syncMasterFlushOffsetWhenStartup tieredBackendServiceProvider tieredMetadataServiceProvider \
    tieredStorageLevel tieredStoreCommitLogMaxSize tieredStoreConsumeQueueMaxSize \
    tieredStoreCrcCheckEnable tieredStoreDeleteFileEnable tieredStoreDeleteFileInterval \
    tieredStoreFilePath tieredStoreFileReservedTime tieredStoreGroupCommit tieredStoreGroupCommitCount \
    tieredStoreGroupCommitSize tieredStoreGroupCommitTimeout tieredStoreIndexFileMaxHashSlotNum \
    tieredStoreIndexFileMaxIndexNum tieredStoreMaxGroupCommitCount tieredStoreMaxPendingLimit \
    timerCheckMetricsWhen timerColdDataCheckIntervalMs timerCongestNumEachSlot timerEnableCheckMetrics \
    timerEnableDisruptor timerEnableRetryUntilSuccess timerFlushIntervalMs timerGetMessageThreadNum \
    timerInterceptDelayLevel timerMaxDelaySec timerMetricSmallThreshold timerPrecisionMs \
    timerProgressLogIntervalMs timerPutMessageThreadNum timerRecallToTimeWheelEnable \
    timerRecallToTimelineEnable timerReputServiceCorePoolSize timerReputServiceMaxPoolSize \
    timerRocksDBEnable timerRocksDBPrecisionMs timerRocksDBRollIntervalHours timerRocksDBRollMaxTps \
    timerRocksDBRollRangeHours timerRocksDBStopScan timerRocksDBTimeExpiredMaxTps timerRollWindowSlot \
    timerSkipUnknownError timerStopDequeue timerStopEnqueue timerWarmEnable timerWheelEnable \
    timerWheelSnapshotFlush timerWheelSnapshotIntervalMs topicQueueLockNum totalReplicas traceOn \
    traceTopicEnable transRocksDBEnable transWriteOriginTransHalfEnable transactionCheckInterval \
    transactionCheckMax transactionMetricFlushInterval transactionOpBatchInterval \
    transactionOpMsgMaxSize transactionTimeOut transientStorePoolEnable transientStorePoolSize \
    travelCqFileNumWhenGetMessage updateNameServerAddrPeriod useMessageFilterForNotification \
    usePIDColdCtrStrategy useSeparateRetryQueue useSeparateStorePathForRocksdbCQ \
    useServerSideResetOffset useSingleRocksDBForAllConfigs useStaticSubscription useTLS \
    userCacheExpiredSecond userCacheMaxNum userCacheRefreshSecond validateSystemTopicWhenUpdateTopic \
    waitTimeMillsInAckQueue waitTimeMillsInAdminBrokerQueue waitTimeMillsInHeartbeatQueue \
    waitTimeMillsInLitePullQueue waitTimeMillsInPullQueue waitTimeMillsInSendQueue \
    waitTimeMillsInTransactionQueue wakeCommitWhenPutMessage wakeFlushWhenPutMessage writeWithoutMmap";

const BROKER_TUNING: &str = "\
    ackMessageThreadPoolNums ackThreadPoolQueueCapacity adminBrokerThreadPoolNums \
    adminBrokerThreadPoolQueueCapacity batchDispatchRequestThreadPoolNums cleanSwapedMapInterval \
    clientAsyncSemaphoreValue clientCallbackExecutorThreads clientManageThreadPoolNums \
    clientManagerThreadPoolQueueCapacity clientOnewaySemaphoreValue clientPooledByteBufAllocatorEnable \
    clientSocketRcvBufSize clientSocketSndBufSize clientWorkerThreads commitIntervalCommitLog \
    commitLogForceSwapMapInterval commitLogSwapMapInterval commitLogSwapMapReserveFileNum \
    consumerManageThreadPoolNums consumerManagerThreadPoolQueueCapacity debugLockEnable \
    disableNettyWorkerGroup dispatchCqThreads enableLiteEventMode enableLitePopLog enablePopLog enableRocksDBLog \
    endTransactionPoolQueueCapacity endTransactionThreadPoolNums heartbeatThreadPoolNums \
    heartbeatThreadPoolQueueCapacity isolateLogEnable liteEventCheckInterval liteEventFullDispatchDelayTime \
    liteEventFullDispatchDelayTimeForWildcardGroup litePullMessageThreadPoolNums \
    litePullThreadPoolQueueCapacity loadBalanceProcessorThreadPoolNums \
    loadBalanceThreadPoolQueueCapacity logicQueueForceSwapMapInterval logicQueueSwapMapInterval \
    logicQueueSwapMapReserveFileNum mappedFileSwapEnable maxRecoveryCommitlogFiles \
    popConsumerKVServiceLog processReplyMessageThreadPoolNums pullMessageThreadPoolNums \
    pullThreadPoolQueueCapacity putMessageFutureThreadPoolNums putThreadPoolQueueCapacity \
    queryMessageThreadPoolNums queryThreadPoolQueueCapacity recoverConcurrently recoverThreadPoolNums \
    replyThreadPoolQueueCapacity sendMessageThreadPoolNums sendThreadPoolQueueCapacity \
    serverAsyncSemaphoreValue serverCallbackExecutorThreads serverNettyWorkerGroupEnable \
    serverOnewaySemaphoreValue serverPooledByteBufAllocatorEnable serverSelectorThreads \
    serverSocketRcvBufSize serverSocketSndBufSize serverWorkerThreads \
    spinLockCollisionRetreatOptimalDegree timerReputServiceQueueCapacity \
    transactionCheckRocksdbCoreThreads transactionCheckRocksdbMaxThreads \
    transactionCheckRocksdbQueueCapacity transferMsgByHeap useABSLock useEpollNativeSelector \
    useReentrantLockWhenPutMessage warmMapedFileEnable writeBufferHighWaterMark writeBufferLowWaterMark";

const NAMESRV_MEANINGFUL: &str = "\
    aclCacheExpiredSecond aclCacheMaxNum aclCacheRefreshSecond authConfigPath authenticationEnabled \
    authenticationMetadataProvider authenticationProvider authenticationStrategy authenticationWhitelist \
    authorizationEnabled authorizationMetadataProvider authorizationProvider authorizationStrategy \
    authorizationWhitelist bindAddress channelNotActiveInterval clientChannelMaxIdleTimeSeconds \
    clientCloseSocketIfTimeout clusterName clusterTest configBlackList configName configStorePath \
    connectTimeoutMillis controllerDLegerGroup controllerDLegerPeers controllerDLegerSelfId \
    controllerStorePath controllerType deleteTopicWithBrokerRegistration disableCallbackExecutor \
    electMasterMaxRetryCount enableAllTopicList enableControllerInNamesrv enableElectUncleanMaster \
    enableReconnectForGoAway enableShutdownGracefully enableTopicList initAuthenticationUser \
    innerClientAuthenticationCredentials isProcessReadEvent isScanAvailableNameSrv jraftConfig \
    kvConfigPath listenPort mappedFileSize maxReconnectIntervalTimeSeconds \
    metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills \
    metricLoggingExporterIntervalInMills metricsExporterType metricsGrpcExporterHeader \
    metricsGrpcExporterTarget metricsInDelta metricsLabel metricsPromExporterHost \
    metricsPromExporterPort migrateAuthFromV1Enabled needWaitForService notifyBrokerRoleChanged \
    notifyMinBrokerIdChanged orderMessageEnable productEnvName returnOrderTopicConfigToBroker \
    rocketmqHome scanInactiveMasterInterval scanNotActiveBrokerInterval serverChannelMaxIdleTimeSeconds \
    serverSocketBacklog shutdownWaitTimeSeconds socksProxyConfig \
    statefulAuthenticationCacheExpiredSecond statefulAuthenticationCacheMaxNum \
    statefulAuthorizationCacheExpiredSecond statefulAuthorizationCacheMaxNum supportActingMaster useTLS \
    userCacheExpiredSecond userCacheMaxNum userCacheRefreshSecond waitSecondsForService";

const NAMESRV_TUNING: &str = "\
    clientAsyncSemaphoreValue clientCallbackExecutorThreads clientOnewaySemaphoreValue \
    clientPooledByteBufAllocatorEnable clientRequestThreadPoolNums clientRequestThreadPoolQueueCapacity \
    clientSocketRcvBufSize clientSocketSndBufSize clientWorkerThreads \
    controllerRequestThreadPoolQueueCapacity controllerThreadPoolNums defaultThreadPoolNums \
    defaultThreadPoolQueueCapacity disableNettyWorkerGroup serverAsyncSemaphoreValue \
    serverCallbackExecutorThreads serverNettyWorkerGroupEnable serverOnewaySemaphoreValue \
    serverPooledByteBufAllocatorEnable serverSelectorThreads serverSocketRcvBufSize \
    serverSocketSndBufSize serverWorkerThreads unRegisterBrokerQueueCapacity useEpollNativeSelector \
    writeBufferHighWaterMark writeBufferLowWaterMark";

const CONTROLLER_MEANINGFUL: &str = "\
    bindAddress channelNotActiveInterval clientChannelMaxIdleTimeSeconds clientCloseSocketIfTimeout configBlackList \
    configStorePath connectTimeoutMillis controllerDLegerGroup controllerDLegerPeers controllerDLegerSelfId \
    controllerStorePath controllerType disableCallbackExecutor enableElectUncleanMaster enableReconnectForGoAway \
    enableShutdownGracefully isScanAvailableNameSrv jRaftControllerRPCAddr jRaftElectionTimeoutMs jRaftGroupId \
    jRaftInitConf jRaftServerId jraftConfig listenPort maxReconnectIntervalTimeSeconds \
    metricGrpcExporterIntervalInMills metricGrpcExporterTimeOutInMills metricLoggingExporterIntervalInMills \
    metricsExporterType metricsGrpcExporterHeader metricsGrpcExporterTarget metricsInDelta metricsLabel \
    metricsPromExporterHost metricsPromExporterPort notifyBrokerRoleChanged rocketmqHome scanInactiveMasterInterval \
    scanNotActiveBrokerInterval serverChannelMaxIdleTimeSeconds serverSocketBacklog shutdownWaitTimeSeconds \
    socksProxyConfig useTLS";

const CONTROLLER_TUNING: &str = "\
    clientAsyncSemaphoreValue clientCallbackExecutorThreads clientOnewaySemaphoreValue \
    clientPooledByteBufAllocatorEnable clientSocketRcvBufSize clientSocketSndBufSize clientWorkerThreads \
    controllerRequestThreadPoolQueueCapacity controllerThreadPoolNums disableNettyWorkerGroup \
    electMasterMaxRetryCount isProcessReadEvent jRaftScanWaitTimeoutMs jRaftSnapshotIntervalSecs mappedFileSize \
    serverAsyncSemaphoreValue serverCallbackExecutorThreads serverNettyWorkerGroupEnable serverOnewaySemaphoreValue \
    serverPooledByteBufAllocatorEnable serverSelectorThreads serverSocketRcvBufSize serverSocketSndBufSize \
    serverWorkerThreads useEpollNativeSelector writeBufferHighWaterMark writeBufferLowWaterMark";
