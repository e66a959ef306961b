package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.subscription.CustomizedRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.ExponentialRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.GroupForbidden;
import org.apache.rocketmq.remoting.protocol.subscription.GroupRetryPolicy;
import org.apache.rocketmq.remoting.protocol.subscription.GroupRetryPolicyType;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What administrators set about a broker's machinery, and prohibitions. */
public final class MachineryScenarios {
    private static final int INVALID_PARAMETER = 29;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("machinery-cold-data", MachineryScenarios::coldData),
        Scenario.of("machinery-read-ahead", MachineryScenarios::readAhead),
        Scenario.of("machinery-timer-engine", MachineryScenarios::timerEngine),
        Scenario.of("machinery-pop-records", MachineryScenarios::popRecords),
        Scenario.of("machinery-retry-policy", MachineryScenarios::retryPolicy, "kill"),
        Scenario.of("machinery-retries-by-policy", MachineryScenarios::retriesByPolicy, "kill-all"),
        Scenario.of("machinery-forbidden-group", MachineryScenarios::forbidden, "kill"));

    private MachineryScenarios() {
    }

    private static void coldData(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String broker = c.cluster.brokerAddr();
        String group = c.freshName();
        Properties thresholds = new Properties();
        thresholds.setProperty(group, "1000");
        admin.updateColdDataFlowCtrGroupConfig(broker, thresholds);
        String told = admin.getColdDataFlowCtrInfo(broker).replaceAll("\\s", "");
        Check.that(told.contains("\"" + group + "\":1000"), "the threshold is not told: " + told);
        Check.that(told.contains("\"cgColdReadThreshold\":3145728"), "that of the others is not told: " + told);
        admin.removeColdDataFlowCtrGroupConfig(broker, group);
        Check.that(!admin.getColdDataFlowCtrInfo(broker).contains(group), "the threshold is still there");
    }

    private static void readAhead(Case c) throws Exception {
        for (String mode : List.of("1", "0")) {
            String told = c.cluster.admin().setCommitLogReadAheadMode(c.cluster.brokerAddr(), mode);
            Check.that(told.contains("success, mode: " + mode), "what is told: " + told);
        }
        Check.failsWithCode(INVALID_PARAMETER, "an unknown mode", () -> c.cluster.admin().setCommitLogReadAheadMode(c.cluster.brokerAddr(), "7"));
    }

    private static void timerEngine(Case c) throws Exception {
        c.cluster.admin().switchTimerEngine(c.cluster.brokerAddr(), "F");
    }

    private static void popRecords(Case c) throws Exception {
        c.cluster.admin().exportPopRecords(c.cluster.brokerAddr(), 10_000);
    }

    /** Kept and told. */
    private static void retryPolicy(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String broker = c.cluster.brokerAddr();
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(c.freshName());
        GroupRetryPolicy policy = new GroupRetryPolicy();
        policy.setType(GroupRetryPolicyType.CUSTOMIZED);
        policy.setCustomizedRetryPolicy(new CustomizedRetryPolicy(new long[] {1_000, 2_000, 4_000}));
        config.setGroupRetryPolicy(policy);
        Case.retried("group with a policy", () -> {
            admin.createAndUpdateSubscriptionGroupConfig(broker, config);
            return true;
        });
        Check.gives("[1000, 2000, 4000]", "delays of the policy", () -> Arrays.toString(
            admin.examineSubscriptionGroupConfig(broker, config.getGroupName()).getGroupRetryPolicy().getCustomizedRetryPolicy().getNext()));

        policy.setType(GroupRetryPolicyType.EXPONENTIAL);
        policy.setCustomizedRetryPolicy(null);
        policy.setExponentialRetryPolicy(new ExponentialRetryPolicy(500, 8_000, 3));
        Case.retried("group with another policy", () -> {
            admin.createAndUpdateSubscriptionGroupConfig(broker, config);
            return true;
        });
        GroupRetryPolicy told = Case.retried("policy",
            () -> admin.examineSubscriptionGroupConfig(broker, config.getGroupName()).getGroupRetryPolicy());
        Check.equal(GroupRetryPolicyType.EXPONENTIAL, told.getType(), "type of the policy");
        Check.equal(List.of(500L, 1_500L, 4_500L, 8_000L), Stream.of(0, 1, 2, 3).map(told.getRetryPolicy()::nextDelayDuration).toList(),
            "delays of the exponential policy");
    }

    /** The Java broker has its policies for clients of the proxy: there send-backs go by levels 3 and 4, a second and two. */
    private static void retriesByPolicy(Case c) throws Exception {
        boolean isJava = System.getProperty("interop.server", "eruca").equals("java");
        long[] delays = isJava ? new long[] {1_000, 2_000} : new long[] {3_000, 5_000};
        String topic = c.freshTopic(1);
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(c.freshName());
        config.getGroupRetryPolicy().setCustomizedRetryPolicy(new CustomizedRetryPolicy(new long[] {3_000, 5_000}));
        Case.retried("group with a policy", () -> {
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
            return true;
        });
        Received failing = new Received() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
                add(batch);
                return batch.get(0).getReconsumeTimes() < delays.length ? ConsumeConcurrentlyStatus.RECONSUME_LATER
                    : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
        };
        c.startPush(config.getGroupName(), topic, "*", failing);
        Case.sendSome(c.producer(), topic, "bad", 1);
        Await.until("the last attempt", () -> failing.all().stream().anyMatch(m -> m.getReconsumeTimes() == delays.length));
        if (Kills.areOn()) {
            // While the broker is away, the client tries again by itself.
            return;
        }
        List<MessageExt> attempts = failing.all();
        for (int i = 0; i < delays.length; i++) {
            long delay = attempts.get(i + 1).getStoreTimestamp() - attempts.get(i).getStoreTimestamp();
            Check.that(delay >= delays[i], "attempt " + (i + 1) + " came after " + delay + " ms");
        }
    }

    private static void forbidden(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String broker = c.cluster.brokerAddr();
        String topic = c.freshTopic(1);
        String group = c.freshName();
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        GroupForbidden told = Case.retried("forbidden", () -> {
            admin.createAndUpdateSubscriptionGroupConfig(broker, config);
            return admin.updateAndGetGroupReadForbidden(broker, group, topic, false);
        });
        Check.equal(false, told.getReadable(), "whether the group may read");
        Received received = new Received();
        c.startPush(group, topic, "*", received);
        Await.until("the broker knows the consumer", () -> !admin.examineConsumerConnectionInfo(group).getConnectionSet().isEmpty());
        List<String> sent = Case.sendSome(c.producer(), topic, "k", 3);
        Check.equal(0, received.count(), "messages that a forbidden group gets");
        told = Case.retried("allowed", () -> admin.updateAndGetGroupReadForbidden(broker, group, topic, true));
        Check.equal(true, told.getReadable(), "whether the group may read again");
        received.awaitExactly(sent);
    }
}
