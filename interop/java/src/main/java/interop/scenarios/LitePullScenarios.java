package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** DefaultLitePullConsumer: subscribe and assign, seek, pause, commit. */
public final class LitePullScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("lite-pull-subscribe", LitePullScenarios::subscribe, "basic", "binary", "kill"),
        Scenario.of("lite-pull-assign-seek", LitePullScenarios::assignAndSeek, "binary", "kill-all"),
        Scenario.of("lite-pull-pause-and-resume", LitePullScenarios::pauseAndResume, "kill"),
        Scenario.of("lite-pull-tags", LitePullScenarios::tags, "kill"),
        Scenario.of("lite-pull-two-members", LitePullScenarios::twoMembers, "kill"));

    private static final Duration SEEK_AGAIN = Duration.ofSeconds(10);

    private LitePullScenarios() {
    }

    private static void pollUntil(DefaultLitePullConsumer consumer, Received received, int count) {
        Await.until(count + " messages polled", () -> {
            received.add(consumer.poll(200));
            return received.keys().size() >= count;
        });
    }

    private interface Seek {
        void run() throws Exception;
    }

    private static void seek(Seek seek) throws Exception {
        Case.retried("a seek", () -> {
            seek.run();
            return true;
        });
    }

    /**
     * With kills again and again: the client loses a seek that meets a pull which has just failed, as that one takes the offset, and
     * is thrown away.
     */
    private static void seekAndPoll(DefaultLitePullConsumer consumer, Received received, int count, Seek seek) throws Exception {
        seek(seek);
        long[] at = {System.nanoTime()};
        Await.until(count + " messages polled after a seek", () -> {
            if (Kills.areOn() && System.nanoTime() - at[0] > SEEK_AGAIN.toNanos()) {
                at[0] = System.nanoTime();
                seek.run();
            }
            received.add(consumer.poll(200));
            return received.keys().size() >= count;
        });
    }

    static void subscribe(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        List<String> keys = Case.sendSome(producer, topic, "k", 50);
        DefaultLitePullConsumer consumer = c.litePullConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.start();
        Received received = new Received();
        pollUntil(consumer, received, 50);
        received.awaitExactly(keys);
        // Despite its name it only notes the offsets; the client's timer tells the broker.
        consumer.commitSync();
        c.cluster.awaitCommitted(group, topic, 50);
        consumer.shutdown();

        List<String> more = Case.sendSome(producer, topic, "more", 15);
        DefaultLitePullConsumer successor = c.litePullConsumer(group);
        successor.subscribe(topic, "*");
        successor.start();
        Received rest = new Received();
        pollUntil(successor, rest, 15);
        rest.awaitExactly(more);
    }

    static void assignAndSeek(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultLitePullConsumer consumer = c.litePullConsumer(c.freshName());
        consumer.start();
        Collection<MessageQueue> queues = Case.retried("route", () -> consumer.fetchMessageQueues(topic));
        Check.equal(2, queues.size(), "queues of the topic");
        MessageQueue queue = queues.iterator().next();
        // Where each lies: with kills an earlier try may lie before it.
        long[] places = new long[20];
        for (int i = 0; i < 20; i++) {
            places[i] = sendTo(producer, topic, queue, "k" + i);
        }
        consumer.assign(List.of(queue));
        // The client's seek lets an answer through that has just arrived for the offset before: first come to rest.
        Received before = new Received();
        pollUntil(consumer, before, 20);
        Received tail = new Received();
        seekAndPoll(consumer, tail, 5, () -> consumer.seek(queue, places[15]));
        tail.awaitExactly(List.of("k15", "k16", "k17", "k18", "k19"));
        Check.equal(places[15], tail.all().get(0).getQueueOffset(), "first offset after seek");

        Received whole = new Received();
        seekAndPoll(consumer, whole, 20, () -> consumer.seekToBegin(queue));
        Check.equal("k0", whole.all().get(0).getKeys(), "first message after seekToBegin");

        seek(() -> consumer.seekToEnd(queue));
        sendTo(producer, topic, queue, "last");
        Received last = new Received();
        pollUntil(consumer, last, 1);
        last.awaitExactly(List.of("last"));

        long stored = whole.byKey("k10").getStoreTimestamp();
        long found = Case.retried("the offset", () -> consumer.offsetForTimestamp(queue, stored));
        Check.that(found <= places[10] && found >= 0, "offset for the time of k10, which is " + places[10] + ", is " + found);
    }

    /** Returns where it lies. */
    private static long sendTo(DefaultMQProducer producer, String topic, MessageQueue queue, String key) throws Exception {
        Message message = new Message(topic, "", key, "x".getBytes());
        return Case.retried("sent " + key, () -> producer.send(message, queue)).getQueueOffset();
    }

    /** A pull of the paused queue that is under way may bring a few. */
    static void pauseAndResume(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        DefaultLitePullConsumer consumer = c.litePullConsumer(c.freshName());
        consumer.start();
        MessageQueue paused = Cluster.queue(topic, 0);
        MessageQueue other = Cluster.queue(topic, 1);
        consumer.assign(List.of(paused, other));
        consumer.pause(List.of(paused));
        Received received = new Received();
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            String last = "other-" + i;
            sendTo(producer, topic, paused, "paused-" + i);
            sendTo(producer, topic, other, last);
            keys.add("paused-" + i);
            keys.add(last);
            Await.until("polled " + last, () -> {
                received.add(consumer.poll(200));
                return received.keys().contains(last);
            });
        }
        Check.that(!received.keys().contains("paused-9"), "a paused queue gives no messages");
        consumer.resume(List.of(paused));
        pollUntil(consumer, received, keys.size());
        received.awaitExactly(keys);
    }

    static void tags(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 20; i++) {
            Case.sendOk(producer, new Message(topic, i % 2 == 0 ? "even" : "odd", "k" + i, "x".getBytes()));
        }
        DefaultLitePullConsumer consumer = c.litePullConsumer(c.freshName());
        consumer.subscribe(topic, "even || none");
        consumer.start();
        Received received = new Received();
        pollUntil(consumer, received, 10);
        Check.that(received.all().stream().allMatch(m -> m.getTags().equals("even")), "only even ones");
        Check.times(10, received.count(), "messages with the tag");
    }

    static void twoMembers(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultLitePullConsumer one = c.litePullConsumer(group);
        DefaultLitePullConsumer two = c.litePullConsumer(group);
        for (DefaultLitePullConsumer consumer : List.of(one, two)) {
            consumer.subscribe(topic, "*");
            consumer.start();
        }
        Await.until("two queues each", () -> one.assignment().size() == 2 && two.assignment().size() == 2);
        List<String> keys = Case.sendSome(c.producer(), topic, "k", 40);
        Received first = new Received();
        Received second = new Received();
        Await.until("40 messages polled", () -> {
            first.add(one.poll(50));
            second.add(two.poll(50));
            Set<String> all = first.keys();
            all.addAll(second.keys());
            return all.size() >= 40;
        });
        Received.awaitExactly(keys, first, second);
        // After a kill the broker knows the one member sooner than the other.
        Check.that(first.count() > 0 && second.count() > 0 || Kills.areOn(), "both members have a share");
    }
}
