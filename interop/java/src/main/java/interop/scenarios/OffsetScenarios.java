package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Received;
import interop.Scenario;
import java.util.List;
import java.util.Properties;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

/** Administrators set where a group goes on: by a time, while its consumer runs or not, or where another group is. */
public final class OffsetScenarios {
    public static final List<Scenario> LIST = List.of(
        // Not with kills: whether the reset or the consumer's own offset is the newer one is chance then.
        Scenario.of("offsets-reset-while-running", c -> resetWhileRunning(c, false), "binary"),
        Scenario.of("offsets-reset-while-running-orderly", c -> resetWhileRunning(c, true)),
        Scenario.of("offsets-reset-by-notice", OffsetScenarios::resetByNotice, "exclusive"),
        Scenario.of("offsets-reset-while-away", OffsetScenarios::resetWhileAway, "binary", "kill"),
        Scenario.of("offsets-clone", OffsetScenarios::cloneOfGroup, "kill"));

    private OffsetScenarios() {
    }

    private static DefaultMQPushConsumer start(Case c, String group, String topic, Received received, boolean isOrderly) throws Exception {
        if (!isOrderly) {
            return c.startPush(group, topic, "*", received);
        }
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            received.add(batch);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        return consumer;
    }

    /** A time after all of these were stored, and before anything that is sent from now on. */
    private static long timeAfter(Received received) {
        long last = received.all().stream().mapToLong(MessageExt::getStoreTimestamp).max().orElseThrow();
        Await.until("the clock goes on", () -> System.currentTimeMillis() > last + 1);
        return last + 1;
    }

    private static void reset(Case c, String topic, String group, long time) throws Exception {
        Case.retried("reset " + group, () -> c.cluster.admin().resetOffsetByTimestamp(topic, group, time, true));
    }

    /** The time between two halves of what was consumed, and the second one. */
    private record Halves(long middle, List<String> recent) {
    }

    private static Halves consumed(Case c, DefaultMQProducer producer, String topic, String group, Received received) throws Exception {
        received.awaitExactly(Case.sendSome(producer, topic, "old", 20));
        long middle = timeAfter(received);
        List<String> recent = Case.sendSome(producer, topic, "recent", 20);
        Await.until("the recent ones", () -> received.keys().containsAll(recent));
        c.cluster.awaitCommitted(group, topic, 40);
        return new Halves(middle, recent);
    }

    /** The consumer goes back by itself. */
    static void resetWhileRunning(Case c, boolean isOrderly) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        start(c, group, topic, received, isOrderly);
        Halves halves = consumed(c, producer, topic, group, received);
        received.clear();

        reset(c, topic, group, halves.middle());
        received.awaitExactly(halves.recent());
        c.cluster.awaitCommitted(group, topic, 40);
        received.clear();
        received.awaitExactly(Case.sendSome(producer, topic, "new", 10));
    }

    /** As brokers of version 4 do it: the members that are online are told, and commit it themselves. */
    static void resetByNotice(Case c) throws Exception {
        c.onClose(() -> resetsItself(c, true));
        resetsItself(c, false);
        resetWhileRunning(c, false);
    }

    private static void resetsItself(Case c, boolean isOn) {
        Properties properties = new Properties();
        properties.setProperty("useServerSideResetOffset", Boolean.toString(isOn));
        Await.until("the broker's setting", () -> {
            c.cluster.admin().updateBrokerConfig(c.cluster.brokerAddr(), properties);
            return true;
        });
    }

    /** Back, and forwards. */
    static void resetWhileAway(Case c) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received first = new Received();
        DefaultMQPushConsumer consumer = c.startPush(group, topic, "*", first);
        Halves halves = consumed(c, producer, topic, group, first);
        consumer.shutdown();

        reset(c, topic, group, halves.middle());
        Received again = new Received();
        DefaultMQPushConsumer second = c.startPush(group, topic, "*", again);
        again.awaitExactly(halves.recent());
        c.cluster.awaitCommitted(group, topic, 40);
        second.shutdown();

        List<String> skipped = Case.sendSome(producer, topic, "skipped", 10);
        Check.equal(10, skipped.size(), "messages that the group is to pass over");
        reset(c, topic, group, System.currentTimeMillis() + 1_000);
        Received last = new Received();
        c.startPush(group, topic, "*", last);
        last.awaitExactly(Case.sendSome(producer, topic, "last", 10));
    }

    static void cloneOfGroup(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String source = c.freshName();
        String target = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        DefaultMQPushConsumer consumer = c.startPush(source, topic, "*", received);
        received.awaitExactly(Case.sendSome(producer, topic, "k", 40));
        c.cluster.awaitCommitted(source, topic, 40);
        consumer.shutdown();
        List<String> rest = Case.sendSome(producer, topic, "rest", 12);
        Case.retried("cloned", () -> {
            c.cluster.admin().cloneGroupOffset(source, target, topic, true);
            return true;
        });
        Received ofTarget = new Received();
        c.startPush(target, topic, "*", ofTarget);
        ofTarget.awaitExactly(rest);
        Received ofSource = new Received();
        c.startPush(source, topic, "*", ofSource);
        ofSource.awaitExactly(rest);
    }
}
