package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Kills;
import interop.Scenario;
import java.util.ArrayList;
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
        Scenario.of("pull-from-offsets", PullScenarios::fromOffsets, "binary", "kill"),
        Scenario.of("pull-tags", PullScenarios::tags, "kill-all"),
        Scenario.of("pull-long-poll", PullScenarios::longPoll, "binary", "kill"),
        Scenario.of("pull-offset-bounds", PullScenarios::offsetBounds, "kill-all"),
        Scenario.of("pull-commits-offsets", PullScenarios::commitsOffsets, "binary", "kill"),
        Scenario.of("pull-search-by-time", PullScenarios::searchByTime, "kill-all"));

    private PullScenarios() {
    }

    /** Returns where it lies. */
    private static long sendTo(DefaultMQProducer producer, MessageQueue queue, String tag, String key) throws Exception {
        Message message = new Message(queue.getTopic(), tag, key, ("body of " + key).getBytes());
        return Case.retried("sent " + key, () -> producer.send(message, queue)).getQueueOffset();
    }

    static void fromOffsets(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        Check.equal(2, Case.retried("route", () -> consumer.fetchSubscribeMessageQueues(topic)).size(), "queues to read");
        MessageQueue queue = Cluster.queue(topic, 1);
        List<Long> places = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            places.add(sendTo(producer, queue, "", "k" + i));
        }
        if (Kills.areOn()) {
            readAgain(consumer, queue, places);
            return;
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

    /** With kills: what was acknowledged lies where it was told, what was sent twice may lie there, too. */
    private static void readAgain(DefaultMQPullConsumer consumer, MessageQueue queue, List<Long> places) throws Exception {
        List<String> keys = new ArrayList<>();
        long end = Case.retried("the maximum", () -> consumer.maxOffset(queue));
        while (keys.size() < end) {
            PullResult result = Case.retried("pulled", () -> consumer.pull(queue, "*", keys.size(), 32));
            Check.equal(PullStatus.FOUND, result.getPullStatus(), "status at " + keys.size());
            for (MessageExt message : result.getMsgFoundList()) {
                Check.equal((long) keys.size(), message.getQueueOffset(), "offset");
                keys.add(message.getKeys());
            }
        }
        for (int i = 0; i < places.size(); i++) {
            Check.equal("k" + i, keys.get(places.get(i).intValue()), "message at " + places.get(i));
        }
    }

    static void tags(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        for (int i = 0; i < 30; i++) {
            sendTo(producer, queue, i % 3 == 0 ? "A" : "B", "k" + i);
        }
        long end = Case.retried("maximum", () -> consumer.maxOffset(queue));
        Check.times(30, end, "messages");
        PullResult result = Case.retried("pulled A", () -> consumer.pull(queue, "A", 0, 32));
        Check.equal(PullStatus.FOUND, result.getPullStatus(), "status for A");
        Check.times(10, result.getMsgFoundList().size(), "messages with A");
        Check.that(result.getMsgFoundList().stream().allMatch(m -> m.getTags().equals("A")), "only such with A");
        Check.equal(end, result.getNextBeginOffset(), "scanned to the end");
        result = Case.retried("pulled Z", () -> consumer.pull(queue, "Z", 0, 32));
        Check.equal(PullStatus.NO_MATCHED_MSG, result.getPullStatus(), "status for Z");
        Check.equal(end, result.getNextBeginOffset(), "scanned to the end without a match");
    }

    static void longPoll(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        long next = sendTo(producer, queue, "", "first") + 1;
        CompletableFuture<PullResult> waiting = Case.beside(() -> Case.retried("pulled at the end", () -> {
            PullResult result = consumer.pullBlockIfNotFound(queue, "*", next, 32);
            if (Kills.areOn() && result.getPullStatus() == PullStatus.NO_NEW_MSG) {
                throw new IllegalStateException("the message took longer than a pull waits");
            }
            return result;
        }));
        // Nothing shows from outside when the pull is parked; a full second means that it did not return empty.
        try {
            waiting.get(1, TimeUnit.SECONDS);
            throw new AssertionError("a pull at the end must be held, but got " + waiting.get());
        } catch (TimeoutException expected) {
            sendTo(producer, queue, "", "second");
        }
        PullResult result = waiting.get(Kills.areOn() ? Await.SOON.toSeconds() : 10, TimeUnit.SECONDS);
        Check.equal(PullStatus.FOUND, result.getPullStatus(), "status");
        Check.equal("second", result.getMsgFoundList().get(0).getKeys(), "message");
    }

    static void offsetBounds(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer consumer = c.pullConsumer(c.freshName());
        MessageQueue queue = Cluster.queue(topic, 0);
        long end = 0;
        for (int i = 0; i < 5; i++) {
            end = sendTo(producer, queue, "", "k" + i) + 1;
        }
        Check.times(5, end, "messages");
        PullResult beyond = Case.retried("pulled beyond the end", () -> consumer.pull(queue, "*", 1000, 32));
        Check.equal(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus(), "status beyond the end");
        Check.equal(end, beyond.getNextBeginOffset(), "corrected to the end");
        MessageQueue empty = Cluster.queue(topic, 1);
        Check.gives(PullStatus.NO_NEW_MSG, "status in an empty queue", () -> consumer.pull(empty, "*", 0, 32).getPullStatus());
        Check.gives(0L, "maximum of an empty queue", () -> consumer.maxOffset(empty));
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
        Case.retried("route", () -> consumer.fetchSubscribeMessageQueues(topic));
        // The broker knows the group from the client's first heartbeat on.
        Await.until("the first update is accepted", () -> {
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 7, false);
            return true;
        });
        Check.equal(7L, committed(consumer, queue), "offset read back from the broker");
        Case.retried("the second update", () -> {
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, 3, false);
            return true;
        });
        Check.equal(3L, committed(consumer, queue), "a smaller offset is accepted too");
        DefaultMQPullConsumer successor = c.pullConsumer(group);
        Check.equal(3L, committed(successor, queue), "another client of the group sees it");
    }

    private static long committed(DefaultMQPullConsumer consumer, MessageQueue queue) throws Exception {
        return Case.retried("the committed offset", () -> {
            long offset = consumer.fetchConsumeOffset(queue, true);
            // The client's word for a broker that did not answer.
            if (offset == -2) {
                throw new IllegalStateException("no answer");
            }
            return offset;
        });
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
        List<MessageExt> all = Case.retried("pulled", () -> consumer.pull(queue, "*", 0, 32)).getMsgFoundList();
        Check.times(20, all.size(), "messages");
        long time = all.get(11).getStoreTimestamp();
        Check.gives(11L, "offset of the message stored at that time", () -> consumer.searchOffset(queue, time));
        Check.gives(0L, "before the first", () -> consumer.searchOffset(queue, all.get(0).getStoreTimestamp() - 10_000));
        Check.gives((long) all.size(), "after the last", () -> consumer.searchOffset(queue, System.currentTimeMillis() + 60_000));
        Check.gives(all.get(0).getStoreTimestamp(), "earliest store time", () -> consumer.earliestMsgStoreTime(queue));
    }
}
