package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Failed messages come back through %RETRY%group and end in %DLQ%group, after a second at least (levels 3 and 4). */
public final class RetryScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("retry-then-success", RetryScenarios::thenSuccess, "binary", "kill"),
        Scenario.of("retry-then-dlq", RetryScenarios::thenDeadLetter, "binary", "kill"),
        Scenario.of("retry-straight-to-dlq", RetryScenarios::straightToDeadLetter, "kill"));

    /** A 4.9 client takes the queue of the new retry topic with its next rebalance (20 s). */
    private static final Duration SLOW = Duration.ofSeconds(60);

    private RetryScenarios() {
    }

    /** How often a message had come back when it came; the client counts on in the message itself where a send-back fails. */
    private record Attempt(int times, MessageExt message) {
    }

    /** Fails messages whose key starts with "bad" as long as they came back fewer than {@code failures} times. */
    private static final class Failing extends Received {
        private final int failures;
        private final int delayLevel;
        private final List<Attempt> attempts = Collections.synchronizedList(new ArrayList<>());

        Failing(int failures, int delayLevel) {
            this.failures = failures;
            this.delayLevel = delayLevel;
        }

        @Override
        public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
            MessageExt message = batch.get(0);
            add(batch);
            if (message.getKeys().equals("bad")) {
                attempts.add(new Attempt(message.getReconsumeTimes(), message));
            }
            if (message.getKeys().startsWith("bad") && message.getReconsumeTimes() < failures) {
                context.setDelayLevelWhenNextConsume(delayLevel);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        }
    }

    private static Failing startFailing(Case c, String group, String topic, int failures, int max, int level) throws Exception {
        Failing failing = new Failing(failures, level);
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setMaxReconsumeTimes(max);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(failing);
        consumer.start();
        return failing;
    }

    private static Message bad(String topic) {
        Message message = new Message(topic, "tag", "bad", "Körper".getBytes(StandardCharsets.UTF_8));
        message.putUserProperty("mine", "kept");
        return message;
    }

    /** Without those that a kill let come again, and those that the client made by itself while the broker was away. */
    private static List<Attempt> attempts(Failing failing) {
        if (!Kills.areOn()) {
            return List.copyOf(failing.attempts);
        }
        Map<Integer, Attempt> byTimes = new TreeMap<>();
        List.copyOf(failing.attempts).forEach(attempt -> byTimes.putIfAbsent(attempt.times(), attempt));
        return List.copyOf(byTimes.values());
    }

    private static void checkAttempts(List<Attempt> attempts, String topic) {
        MessageExt first = attempts.get(0).message();
        for (int i = 0; i < attempts.size(); i++) {
            MessageExt attempt = attempts.get(i).message();
            Check.equal(i, attempts.get(i).times(), "reconsume times of attempt " + i);
            Check.equal(topic, attempt.getTopic(), "topic that the listener sees");
            Check.equal("tag", attempt.getTags(), "tag");
            Check.equal("kept", attempt.getUserProperty("mine"), "user property");
            Check.equal(first.getMsgId(), attempt.getMsgId(), "message id stays");
            long before = i == 0 ? 0 : attempts.get(i - 1).message().getStoreTimestamp();
            boolean isFromClient = Kills.areOn() && attempt.getStoreTimestamp() == before;
            if (i > 0 && !isFromClient) {
                long delay = attempt.getStoreTimestamp() - before;
                Check.that(delay >= 1000, "comes back after a second at the earliest, not after " + delay + " ms");
            }
        }
    }

    static void thenSuccess(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Failing failing = startFailing(c, c.freshName(), topic, 2, 5, 0);
        Case.sendOk(c.producer(), bad(topic));
        Case.sendSome(c.producer(), topic, "good", 10);
        Await.until("third attempt", SLOW, () -> attempts(failing).size() == 3);
        checkAttempts(attempts(failing), topic);
        Check.times(13, failing.count(), "good ones once, the bad one three times");
    }

    static void thenDeadLetter(Case c) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        Failing failing = startFailing(c, group, topic, Integer.MAX_VALUE, 2, 0);
        Case.sendOk(c.producer(), bad(topic));
        MessageExt dead = deadLetter(c, group);
        List<Attempt> attempts = attempts(failing);
        Check.equal(3, attempts.size(), "attempts");
        checkAttempts(attempts, topic);
        Check.equal("bad", dead.getKeys(), "key of the dead letter");
        Check.equal("Körper", new String(dead.getBody(), StandardCharsets.UTF_8), "its body");
        Check.equal("kept", dead.getUserProperty("mine"), "its user property");
        Check.equal(topic, dead.getProperty("RETRY_TOPIC"), "where it came from");
    }

    static void straightToDeadLetter(Case c) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        // Delay level -1 means: do not try again.
        Failing failing = startFailing(c, group, topic, Integer.MAX_VALUE, 16, -1);
        Case.sendOk(c.producer(), bad(topic));
        Check.equal("bad", deadLetter(c, group).getKeys(), "key of the dead letter");
        Check.times(1, failing.count(), "attempts");
    }

    /** The one message in %DLQ%group. */
    static MessageExt deadLetter(Case c, String group) throws Exception {
        String topic = "%DLQ%" + group;
        Await.until("route of " + topic, SLOW, () -> !c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        DefaultMQPullConsumer reader = c.pullConsumer(c.freshName());
        Received found = new Received();
        Await.until("a message in " + topic, () -> {
            PullResult result = reader.pull(Cluster.queue(topic, 0), "*", 0, 32);
            if (result.getPullStatus() == PullStatus.FOUND) {
                found.add(result.getMsgFoundList());
            }
            return found.count() > 0;
        });
        Check.times(1, found.count(), "messages in " + topic);
        return found.all().get(0);
    }
}
