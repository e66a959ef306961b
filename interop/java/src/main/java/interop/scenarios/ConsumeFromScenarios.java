package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Where a new group starts: first, last or a point in time. */
public final class ConsumeFromScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("consume-from-in-old-topic", ConsumeFromScenarios::oldTopic, "kill-all"),
        Scenario.of("consume-from-in-young-topic", ConsumeFromScenarios::youngTopic, "kill"));

    private ConsumeFromScenarios() {
    }

    private static DefaultMQPushConsumer start(Case c, String topic, ConsumeFromWhere where, String time, Received received)
        throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(c.freshName());
        consumer.setConsumeFromWhere(where);
        if (time != null) {
            consumer.setConsumeTimestamp(time);
        }
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(received);
        consumer.start();
        return consumer;
    }

    /**
     * In a topic that never lost a message the broker answers offset 0 to a new group, so that
     * nothing is skipped whatever the client prefers.
     */
    static void youngTopic(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        List<String> keys = Case.sendSome(producer, topic, "old", 10);
        Received first = new Received();
        Received last = new Received();
        start(c, topic, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, null, first);
        start(c, topic, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, null, last);
        first.awaitExactly(keys);
        last.awaitExactly(keys);
    }

    /** On a broker that deletes full segments at once, so that the queue does not start at 0 any more. */
    static void oldTopic(Case c) throws Exception {
        Case strict = c.on("strict");
        String topic = strict.freshTopic(1);
        MessageQueue queue = Cluster.queue(topic, 0);
        DefaultMQProducer producer = strict.producer();
        DefaultMQPullConsumer reader = strict.pullConsumer(strict.freshName());
        // 1 MiB segments: fill the first, and a third of the second.
        byte[] body = new byte[64 * 1024];
        long[] places = new long[21];
        for (int i = 0; i < 21; i++) {
            places[i] = Case.sendOk(producer, new Message(topic, "", "filler-" + i, incompressible(body, i))).getQueueOffset();
        }
        // The Java broker looks for expired files for the first time after a minute.
        Await.until("the first segment is deleted", Duration.ofSeconds(150), () -> reader.minOffset(queue) > 0);
        long min = Case.retried("the minimum", () -> reader.minOffset(queue));
        List<String> everything = new ArrayList<>();
        for (int i = 0; i < 21; i++) {
            if (places[i] >= min) {
                everything.add("filler-" + i);
            }
        }
        // The client's time format has no fractions of a second.
        Instant second = Instant.ofEpochSecond(Instant.now().getEpochSecond() + 1);
        Await.until("the next second", () -> Instant.now().isAfter(second));
        String time = DateTimeFormatter.ofPattern("yyyyMMddHHmmss").withZone(ZoneId.systemDefault()).format(second);
        List<String> recent = Case.sendSome(producer, topic, "recent", 10);
        everything.addAll(recent);

        Received last = new Received();
        DefaultMQPushConsumer fromLast = start(strict, topic, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, null, last);
        Await.until("the start offset is known", () -> !Case.queuesOf(fromLast, topic).isEmpty());
        List<String> fresh = Case.sendSome(producer, topic, "fresh", 10);
        everything.addAll(fresh);
        recent = new ArrayList<>(recent);
        recent.addAll(fresh);
        Received first = new Received();
        Received byTime = new Received();
        start(strict, topic, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, null, first);
        start(strict, topic, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP, time, byTime);
        if (Kills.areOn()) {
            // A client that has committed nothing, and sees no broker for a while, begins at the end again.
            Check.that(fresh.containsAll(last.keys()), "nothing from before the start: " + last.keys());
        } else {
            last.awaitExactly(fresh);
        }
        byTime.awaitExactly(recent);
        // The broker may have begun a new segment meanwhile; then the oldest ones are gone.
        Check.gives(min, "the minimum, as no further segment was deleted during the check", () -> reader.minOffset(queue));
        first.awaitExactly(everything);
    }

    private static byte[] incompressible(byte[] buffer, int seed) {
        byte[] copy = buffer.clone();
        new Random(seed).nextBytes(copy);
        return copy;
    }
}
