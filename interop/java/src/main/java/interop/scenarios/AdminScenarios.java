package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Received;
import interop.Scenario;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.command.topic.DeleteTopicSubCommand;

/** DefaultMQAdminExt of rocketmq-tools. Result classes moved between 4.x and 5.x: they must not be named. */
public final class AdminScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("admin-topics", AdminScenarios::topics, "binary"),
        Scenario.of("admin-cluster", AdminScenarios::clusterInfo, "basic", "binary"),
        Scenario.of("admin-topic-stats", AdminScenarios::topicStats),
        Scenario.of("admin-consume-stats", AdminScenarios::consumeStats, "binary"),
        Scenario.of("admin-view-message", AdminScenarios::viewMessage),
        Scenario.of("admin-connections", AdminScenarios::connections, "binary"),
        Scenario.of("admin-runtime-stats", AdminScenarios::runtimeStats));

    private AdminScenarios() {
    }

    static void topics(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String topic = c.freshTopic(5);
        var route = admin.examineTopicRouteInfo(topic);
        Check.equal(1, route.getBrokerDatas().size(), "brokers");
        var broker = route.getBrokerDatas().get(0);
        Check.equal("broker-a", broker.getBrokerName(), "broker name");
        Check.equal("DefaultCluster", broker.getCluster(), "cluster");
        Check.equal(c.cluster.brokerAddr(), broker.getBrokerAddrs().get(0L), "address of the master");
        var queues = route.getQueueDatas().get(0);
        Check.equal(5, queues.getReadQueueNums(), "read queues");
        Check.equal(5, queues.getWriteQueueNums(), "write queues");
        Check.equal(6, queues.getPerm(), "permission");

        Check.that(admin.fetchAllTopicList().getTopicList().contains(topic), "the new topic is listed");
        var config = admin.examineTopicConfig(c.cluster.brokerAddr(), topic);
        Check.equal(5, config.getReadQueueNums(), "read queues in the broker's configuration");

        c.cluster.createTopic(topic, 7);
        Await.until("7 queues in the route",
            () -> admin.examineTopicRouteInfo(topic).getQueueDatas().get(0).getReadQueueNums() == 7);

        // As mqadmin does it: in the brokers, then in the name servers.
        DeleteTopicSubCommand.deleteTopic(admin, "DefaultCluster", topic);
        Await.until("the deleted topic has no route", () -> hasNoRoute(admin, topic));
        Check.that(!admin.fetchAllTopicList().getTopicList().contains(topic), "the deleted topic is not listed");
    }

    private static boolean hasNoRoute(DefaultMQAdminExt admin, String topic) throws Exception {
        try {
            admin.examineTopicRouteInfo(topic);
            return false;
        } catch (MQClientException e) {
            Check.equal(17, e.getResponseCode(), "code for a missing route (TOPIC_NOT_EXIST)");
            return true;
        }
    }

    static void clusterInfo(Case c) throws Exception {
        var info = c.cluster.admin().examineBrokerClusterInfo();
        Check.equal(1, info.getClusterAddrTable().size(), "clusters");
        var names = info.getClusterAddrTable().values().iterator().next();
        Check.equal(1, names.size(), "broker names");
        var data = info.getBrokerAddrTable().get(names.iterator().next());
        Check.that(data.getBrokerAddrs().get(0L).contains(":"), "address of the master");
    }

    static void topicStats(Case c) throws Exception {
        String topic = c.freshTopic(4);
        long before = System.currentTimeMillis();
        Case.sendSome(c.producer(), topic, "k", 20);
        var table = c.cluster.admin().examineTopicStats(topic).getOffsetTable();
        Check.equal(4, table.size(), "queues");
        long messages = 0;
        for (var offsets : table.values()) {
            Check.equal(0L, offsets.getMinOffset(), "minimum");
            messages += offsets.getMaxOffset();
            // Different clocks are not possible here, but a clock may be set back.
            Check.that(offsets.getLastUpdateTimestamp() > before - 60_000, "time of the last message");
        }
        Check.equal(20L, messages, "sum of the maximum offsets");
    }

    static void consumeStats(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        Received received = new Received();
        var consumer = c.startPush(group, topic, "*", received);
        DefaultMQProducer producer = c.producer();
        received.awaitExactly(Case.sendSome(producer, topic, "k", 20));
        c.cluster.awaitCommitted(group, topic, 20);
        consumer.shutdown();
        Case.sendSome(producer, topic, "lag", 6);
        var stats = c.cluster.admin().examineConsumeStats(group, topic);
        Check.equal(6L, stats.computeTotalDiff(), "lag");
        Check.equal(20L, stats.getOffsetTable().values().stream().mapToLong(o -> o.getConsumerOffset()).sum(), "consumed");
        Check.equal(26L, stats.getOffsetTable().values().stream().mapToLong(o -> o.getBrokerOffset()).sum(), "stored");
    }

    static void viewMessage(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Message message = new Message(topic, "tag", "key", "the body".getBytes());
        message.putUserProperty("p", "v");
        SendResult sent = Case.sendOk(c.producer(), message);
        MessageExt found = c.cluster.admin().viewMessage(topic, sent.getOffsetMsgId());
        Check.equal("the body", new String(found.getBody()), "body");
        Check.equal(topic, found.getTopic(), "topic");
        Check.equal("v", found.getUserProperty("p"), "property");
        Check.equal(sent.getQueueOffset(), found.getQueueOffset(), "queue offset");
        Check.equal(sent.getMessageQueue().getQueueId(), found.getQueueId(), "queue");
    }

    static void connections(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String topic = c.freshTopic(2);
        String group = c.freshName();
        var consumer = c.startPush(group, topic, "A || B", new Received());
        Await.until("the consumer is connected",
            () -> admin.examineConsumerConnectionInfo(group).getConnectionSet().size() == 1);
        var info = admin.examineConsumerConnectionInfo(group);
        String clientId = consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
        var connection = info.getConnectionSet().iterator().next();
        Check.equal(clientId, connection.getClientId(), "client id");
        Check.equal("JAVA", connection.getLanguage().name(), "language");
        Check.equal("CLUSTERING", info.getMessageModel().name(), "message model");
        Check.equal("CONSUME_PASSIVELY", info.getConsumeType().name(), "consume type");
        Check.equal(Set.of("A", "B"), info.getSubscriptionTable().get(topic).getTagsSet(), "subscribed tags");
        Check.that(info.getSubscriptionTable().containsKey("%RETRY%" + group), "the retry topic is subscribed");

        DefaultMQProducer producer = c.producer();
        Case.sendSome(producer, topic, "k", 1);
        // The producer tells its group with its heartbeat, at the latest at the next one (30 s).
        producer.getDefaultMQProducerImpl().getMqClientFactory().sendHeartbeatToAllBrokerWithLock();
        Await.until("the producer is connected",
            () -> admin.examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().size() == 1);

        consumer.shutdown();
        Await.until("the consumer is gone", () -> isOffline(admin, group));
        List<String> groups = admin.queryTopicConsumeByWho(topic).getGroupList().stream().toList();
        Check.that(groups.size() <= 1, "at most our group reads the topic: " + groups);
    }

    private static boolean isOffline(DefaultMQAdminExt admin, String group) throws Exception {
        try {
            return admin.examineConsumerConnectionInfo(group).getConnectionSet().isEmpty();
        } catch (MQClientException | MQBrokerException e) {
            int code = e instanceof MQClientException client ? client.getResponseCode()
                : ((MQBrokerException) e).getResponseCode();
            Check.equal(206, code, "code for an offline group (CONSUMER_NOT_ONLINE)");
            return true;
        }
    }

    static void runtimeStats(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Case.sendSome(c.producer(), topic, "k", 3);
        var table = c.cluster.admin().fetchBrokerRuntimeStats(c.cluster.brokerAddr()).getTable();
        for (String key : List.of("brokerVersionDesc", "bootTimestamp", "putTps", "getTransferredTps",
            "msgPutTotalTodayNow", "commitLogMaxOffset", "commitLogMinOffset", "commitLogDiskRatio", "runtime",
            "pullThreadPoolQueueSize", "sendThreadPoolQueueSize", "earliestMessageTimeStamp")) {
            Check.that(table.containsKey(key), "runtime information has " + key + ", only " + table.keySet());
        }
        Check.that(Long.parseLong(table.get("commitLogMaxOffset")) > 0, "the log has bytes");
    }
}
