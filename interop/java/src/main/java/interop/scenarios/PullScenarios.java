package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Scenario;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** DefaultMQPullConsumer: the application decides what it reads and keeps. */
public final class PullScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("pull-from-offsets", PullScenarios::fromOffsets, "binary"),
        Scenario.of("pull-tags", PullScenarios::tags),
        Scenario.of("pull-long-poll", PullScenarios::longPoll, "binary"),
        Scenario.of("pull-offset-bounds", PullScenarios::offsetBounds),
        Scenario.of("pull-commits-offsets", PullScenarios::commitsOffsets, "binary"),
        Scenario.of("pull-search-by-time", PullScenarios::searchByTime));

    private PullScenarios() {
    }

    private static void sendTo(DefaultMQProducer producer, MessageQueue queue, String tag, String key) throws Exception {
        producer.send(new Message(queue.getTopic(), tag, key, ("body of " + key).getBytes()), queue);
    }

    static void fromOffsets(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        Check.equal(2, consumer.fetchSubscribeMessageQueues(topic).size(), "queues to read");
        MessageQueue queue = Cluster.queue(topic, 1);
        for (int i = 0; i < 100; i++) {
            sendTo(producer, queue, "", "k" + i);
        }
        Check.equal(0L, consumer.minOffset(queue), "minimum");
        Check.equal(100L, consumer.maxOffset(queue), "maximum");
        long next = 0;
        while (next < 100) {
            PullResult result = consumer.pull(queue, "*", next, 32);
            Check.equal(PullStatus.FOUND, result.getPullStatus(), "status at " + next);
            Check.that(result.getMsgFoundList().size() <= 32, "at most 32 messages");
            Check.equal(100L, result.getMaxOffset(), "maximum in the reply");
            for (MessageExt message : result.getMsgFoundList()) {
                Check.equal("k" + next, message.getKeys(), "message at " + next);
                Check.equal(next, message.getQueueOffset(), "its offset");
                next++;
            }
            Check.equal(next, result.getNextBeginOffset(), "next offset");
        }
        Check.equal(PullStatus.NO_NEW_MSG, consumer.pull(queue, "*", 100, 32).getPullStatus(), "status at the end");
        Check.equal(PullStatus.FOUND, consumer.pull(queue, "*", 57, 1).getPullStatus(), "status in the middle");
    }

    static void tags(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        for (int i = 0; i < 30; i++) {
            sendTo(producer, queue, i % 3 == 0 ? "A" : "B", "k" + i);
        }
        PullResult result = consumer.pull(queue, "A", 0, 32);
        Check.equal(PullStatus.FOUND, result.getPullStatus(), "status for A");
        Check.equal(10, result.getMsgFoundList().size(), "messages with A");
        Check.equal(30L, result.getNextBeginOffset(), "scanned to the end");
        result = consumer.pull(queue, "Z", 0, 32);
        Check.equal(PullStatus.NO_MATCHED_MSG, result.getPullStatus(), "status for Z");
        Check.equal(30L, result.getNextBeginOffset(), "scanned to the end without a match");
    }

    static void longPoll(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        sendTo(producer, queue, "", "first");
        CompletableFuture<PullResult> waiting = CompletableFuture.supplyAsync(() -> {
            try {
                return consumer.pullBlockIfNotFound(queue, "*", 1, 32);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        // Nothing shows from outside when the pull is parked; a full second means that it did not return empty.
        try {
            waiting.get(1, TimeUnit.SECONDS);
            throw new AssertionError("a pull at the end must be held, but got " + waiting.get());
        } catch (TimeoutException expected) {
            sendTo(producer, queue, "", "second");
        }
        PullResult result = waiting.get(10, TimeUnit.SECONDS);
        Check.equal(PullStatus.FOUND, result.getPullStatus(), "status");
        Check.equal("second", result.getMsgFoundList().get(0).getKeys(), "message");
    }

    static void offsetBounds(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        for (int i = 0; i < 5; i++) {
            sendTo(producer, queue, "", "k" + i);
        }
        PullResult beyond = consumer.pull(queue, "*", 1000, 32);
        Check.equal(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus(), "status beyond the end");
        Check.equal(5L, beyond.getNextBeginOffset(), "corrected to the end");
        MessageQueue empty = Cluster.queue(topic, 1);
        Check.equal(PullStatus.NO_NEW_MSG, consumer.pull(empty, "*", 0, 32).getPullStatus(), "status in an empty queue");
        Check.equal(0L, consumer.maxOffset(empty), "maximum of an empty queue");
    }

    static void commitsOffsets(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        MessageQueue queue = Cluster.queue(topic, 0);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 10; i++) {
            sendTo(producer, queue, "", "k" + i);
        }
        DefaultMQPullConsumer consumer = c.pullConsumer(group);
        consumer.fetchSubscribeMessageQueues(topic);
        // The broker knows the group from the client's first heartbeat on.
        Await.until("the first update is accepted", () -> {
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 7, false);
            return true;
        });
        Check.equal(7L, consumer.fetchConsumeOffset(queue, true), "offset read back from the broker");
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 3, false);
        Check.equal(3L, consumer.fetchConsumeOffset(queue, true), "a smaller offset is accepted too");
        DefaultMQPullConsumer successor = c.pullConsumer(group);
        Check.equal(3L, successor.fetchConsumeOffset(queue, true), "another client of the group sees it");
    }

    static void searchByTime(Case c) throws Exception {
        String topic = c.freshTopic(1);
        MessageQueue queue = Cluster.queue(topic, 0);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        for (int i = 0; i < 20; i++) {
            sendTo(producer, queue, "", "k" + i);
            Thread.sleep(5); // so that the store times differ; nothing waits for this
        }
        List<MessageExt> all = consumer.pull(queue, "*", 0, 32).getMsgFoundList();
        long time = all.get(11).getStoreTimestamp();
        Check.equal(11L, consumer.searchOffset(queue, time), "offset of the message stored at that time");
        Check.equal(0L, consumer.searchOffset(queue, all.get(0).getStoreTimestamp() - 10_000), "before the first");
        Check.equal(20L, consumer.searchOffset(queue, System.currentTimeMillis() + 60_000), "after the last");
        Check.equal(all.get(0).getStoreTimestamp(), consumer.earliestMsgStoreTime(queue), "earliest store time");
    }
}
