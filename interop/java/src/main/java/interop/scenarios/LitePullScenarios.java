package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Received;
import interop.Scenario;
import java.util.Collection;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** DefaultLitePullConsumer: subscribe and assign, seek, commit. */
public final class LitePullScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("lite-pull-subscribe", LitePullScenarios::subscribe, "basic", "binary", "kill"),
        Scenario.of("lite-pull-assign-seek", LitePullScenarios::assignAndSeek, "binary"),
        Scenario.of("lite-pull-tags", LitePullScenarios::tags, "kill"),
        Scenario.of("lite-pull-two-members", LitePullScenarios::twoMembers, "kill"));

    private LitePullScenarios() {
    }

    private static void pollUntil(DefaultLitePullConsumer consumer, Received received, int count) {
        Await.until(count + " messages polled", () -> {
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
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
        Check.equal(2, queues.size(), "queues of the topic");
        MessageQueue queue = queues.iterator().next();
        for (int i = 0; i < 20; i++) {
            producer.send(new Message(topic, "", "k" + i, "x".getBytes()), queue);
        }
        consumer.assign(List.of(queue));
        // The client's seek lets an answer through that has just arrived for the offset before: first come to rest.
        Received before = new Received();
        pollUntil(consumer, before, 20);
        consumer.seek(queue, 15);
        Received tail = new Received();
        pollUntil(consumer, tail, 5);
        tail.awaitExactly(List.of("k15", "k16", "k17", "k18", "k19"));
        Check.equal(15L, tail.all().get(0).getQueueOffset(), "first offset after seek");

        consumer.seekToBegin(queue);
        Received whole = new Received();
        pollUntil(consumer, whole, 20);
        Check.equal("k0", whole.all().get(0).getKeys(), "first message after seekToBegin");

        consumer.seekToEnd(queue);
        producer.send(new Message(topic, "", "last", "x".getBytes()), queue);
        Received last = new Received();
        pollUntil(consumer, last, 1);
        last.awaitExactly(List.of("last"));

        long stored = whole.byKey("k10").getStoreTimestamp();
        long found = consumer.offsetForTimestamp(queue, stored);
        Check.that(found <= 10 && found >= 0, "offset for the time of k10 is " + found);
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
            return first.keys().size() + second.keys().size() >= 40;
        });
        Received.awaitExactly(keys, first, second);
        Check.that(first.count() > 0 && second.count() > 0, "both members have a share");
    }
}
