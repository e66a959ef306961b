package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
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
        Scenario.of("admin-topics", AdminScenarios::topics, "binary", "kill"),
        Scenario.of("admin-cluster", AdminScenarios::clusterInfo, "basic", "binary", "kill-all"),
        Scenario.of("admin-topic-stats", AdminScenarios::topicStats, "kill-all"),
        Scenario.of("admin-consume-stats", AdminScenarios::consumeStats, "binary", "kill"),
        Scenario.of("admin-view-message", AdminScenarios::viewMessage, "kill-all"),
        Scenario.of("admin-connections", AdminScenarios::connections, "binary", "kill-all"),
        Scenario.of("admin-runtime-stats", AdminScenarios::runtimeStats, "kill-all"));

    private AdminScenarios() {
    }

    static void topics(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String topic = c.freshTopic(5);
        var route = Case.retried("route", () -> admin.examineTopicRouteInfo(topic));
        Check.equal(1, route.getBrokerDatas().size(), "brokers");
        var broker = route.getBrokerDatas().get(0);
        Check.equal("broker-a", broker.getBrokerName(), "broker name");
        Check.equal("DefaultCluster", broker.getCluster(), "cluster");
        Check.equal(c.cluster.brokerAddr(), broker.getBrokerAddrs().get(0L), "address of the master");
        var queues = route.getQueueDatas().get(0);
        Check.equal(5, queues.getReadQueueNums(), "read queues");
        Check.equal(5, queues.getWriteQueueNums(), "write queues");
        Check.equal(6, queues.getPerm(), "permission");

        Check.holds("the new topic is listed", () -> admin.fetchAllTopicList().getTopicList().contains(topic));
        var config = Case.retried("configuration", () -> admin.examineTopicConfig(c.cluster.brokerAddr(), topic));
        Check.equal(5, config.getReadQueueNums(), "read queues in the broker's configuration");

        c.cluster.createTopic(topic, 7);
        Await.until("7 queues in the route",
            () -> admin.examineTopicRouteInfo(topic).getQueueDatas().get(0).getReadQueueNums() == 7);

        // As mqadmin does it: in the brokers, then in the name servers.
        Case.retried("deleted " + topic, () -> {
            // It takes a broker that is away for none.
            c.cluster.brokerAddr();
            DeleteTopicSubCommand.deleteTopic(admin, "DefaultCluster", topic);
            return true;
        });
        Await.until("the deleted topic has no route", () -> {
            c.cluster.brokerAddr();
            if (Kills.areOn()) {
                // The order may have met a broker that was just killed.
                DeleteTopicSubCommand.deleteTopic(admin, "DefaultCluster", topic);
            }
            return hasNoRoute(admin, topic);
        });
        Check.holds("the deleted topic is not listed", () -> !admin.fetchAllTopicList().getTopicList().contains(topic));
    }

    private static boolean hasNoRoute(DefaultMQAdminExt admin, String topic) throws Exception {
        try {
            admin.examineTopicRouteInfo(topic);
            return false;
        } catch (MQClientException e) {
            return has(17, e.getResponseCode(), "code for a missing route (TOPIC_NOT_EXIST)", e);
        }
    }

    /** A broker that is away has other codes. */
    private static boolean has(int code, int actual, String what, Exception e) throws Exception {
        if (actual != code && Kills.areOn()) {
            throw e;
        }
        Check.equal(code, actual, what);
        return true;
    }

    static void clusterInfo(Case c) throws Exception {
        // Told while the broker is registered, and again after each kill.
        String address = c.cluster.brokerAddr();
        Check.gives(1, "clusters", () -> c.cluster.admin().examineBrokerClusterInfo().getClusterAddrTable().size());
        Check.gives(List.of("broker-a"), "broker names", () -> c.cluster.admin().examineBrokerClusterInfo()
            .getClusterAddrTable().values().stream().flatMap(Set::stream).toList());
        Check.gives(address, "address of the master",
            () -> c.cluster.admin().examineBrokerClusterInfo().getBrokerAddrTable().get("broker-a").getBrokerAddrs().get(0L));
        Check.that(address.contains(":"), "address of the master: " + address);
    }

    static void topicStats(Case c) throws Exception {
        String topic = c.freshTopic(4);
        long before = System.currentTimeMillis();
        Case.sendSome(c.producer(), topic, "k", 20);
        var table = Case.retried("statistics", () -> c.cluster.admin().examineTopicStats(topic)).getOffsetTable();
        Check.equal(4, table.size(), "queues");
        long messages = 0;
        for (var offsets : table.values()) {
            Check.equal(0L, offsets.getMinOffset(), "minimum");
            messages += offsets.getMaxOffset();
            // Different clocks are not possible here, but a clock may be set back.
            Check.that(offsets.getLastUpdateTimestamp() > before - 60_000, "time of the last message");
        }
        Check.times(20, messages, "sum of the maximum offsets");
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
        var stats = Case.retried("statistics", () -> c.cluster.admin().examineConsumeStats(group, topic));
        long consumed = stats.getOffsetTable().values().stream().mapToLong(o -> o.getConsumerOffset()).sum();
        long stored = stats.getOffsetTable().values().stream().mapToLong(o -> o.getBrokerOffset()).sum();
        Check.times(6, stats.computeTotalDiff(), "lag");
        Check.times(20, consumed, "consumed");
        Check.times(26, stored, "stored");
        Check.equal(stored - consumed, stats.computeTotalDiff(), "what is stored and not consumed");
    }

    static void viewMessage(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Message message = new Message(topic, "tag", "key", "the body".getBytes());
        message.putUserProperty("p", "v");
        SendResult sent = Case.sendOk(c.producer(), message);
        MessageExt found = Case.retried("seen", () -> c.cluster.admin().viewMessage(topic, sent.getOffsetMsgId()));
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
        var info = Await.answer("the consumer is connected", () -> {
            var connected = admin.examineConsumerConnectionInfo(group);
            if (connected.getConnectionSet().size() != 1) {
                throw new IllegalStateException(connected.getConnectionSet().size() + " are");
            }
            return connected;
        });
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
        Await.until("the producer is connected", () -> {
            producer.getDefaultMQProducerImpl().getMqClientFactory().sendHeartbeatToAllBrokerWithLock();
            return admin.examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().size() == 1;
        });

        consumer.shutdown();
        Await.until("the consumer is gone", () -> isOffline(admin, group));
        List<String> groups = Case.retried("groups", () -> admin.queryTopicConsumeByWho(topic)).getGroupList().stream().toList();
        Check.that(groups.size() <= 1, "at most our group reads the topic: " + groups);
    }

    private static boolean isOffline(DefaultMQAdminExt admin, String group) throws Exception {
        try {
            return admin.examineConsumerConnectionInfo(group).getConnectionSet().isEmpty();
        } catch (MQClientException | MQBrokerException e) {
            int code = e instanceof MQClientException client ? client.getResponseCode()
                : ((MQBrokerException) e).getResponseCode();
            return has(206, code, "code for an offline group (CONSUMER_NOT_ONLINE)", e);
        }
    }

    static void runtimeStats(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Case.sendSome(c.producer(), topic, "k", 3);
        var table = Case.retried("runtime information",
            () -> c.cluster.admin().fetchBrokerRuntimeStats(c.cluster.brokerAddr())).getTable();
        for (String key : List.of("brokerVersionDesc", "bootTimestamp", "putTps", "getTransferredTps",
            "msgPutTotalTodayNow", "commitLogMaxOffset", "commitLogMinOffset", "commitLogDiskRatio", "runtime",
            "pullThreadPoolQueueSize", "sendThreadPoolQueueSize", "earliestMessageTimeStamp")) {
            Check.that(table.containsKey(key), "runtime information has " + key + ", only " + table.keySet());
        }
        Check.that(Long.parseLong(table.get("commitLogMaxOffset")) > 0, "the log has bytes");
    }
}
