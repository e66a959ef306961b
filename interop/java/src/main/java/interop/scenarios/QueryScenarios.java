package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Scenario;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages are found by key and by unique id, in a span of time, also after a restart. */
public final class QueryScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("query-by-key", QueryScenarios::byKey, "basic", "binary", "kill"),
        Scenario.of("query-by-unique-id", QueryScenarios::byUniqueId, "binary", "kill-all"),
        Scenario.of("query-by-time", QueryScenarios::byTime, "kill-all"),
        Scenario.of("query-after-clean-restart", c -> afterRestart(c, "clean"), "exclusive"),
        Scenario.of("query-after-kill", c -> afterRestart(c, "kill"), "exclusive"));

    private QueryScenarios() {
    }

    static void byKey(Case c) throws Exception {
        String topic = c.freshTopic(3);
        String other = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 6; i++) {
            Message message = new Message(topic, "red", "all k" + i + " even" + i % 2, ("body" + i).getBytes());
            message.putUserProperty("n", Integer.toString(i));
            Case.sendOk(producer, message);
        }
        Case.sendOk(producer, new Message(other, "red", "all", "elsewhere".getBytes()));
        awaitBodies(c, topic, "all", 32, bodies(IntStream.range(0, 6)));
        awaitBodies(c, topic, "even0", 32, Set.of("body0", "body2", "body4"));
        awaitBodies(c, topic, "k3", 32, Set.of("body3"));
        awaitBodies(c, other, "all", 32, Set.of("elsewhere"));
        if (!Kills.areOn()) {
            // The newest ones, where there are more; of one that was sent twice both may be.
            awaitBodies(c, topic, "all", 2, Set.of("body4", "body5"));
        }

        MessageExt found = Case.retried("k3", () -> query(c, topic, "k3", 32, 0, Long.MAX_VALUE).get(0));
        Check.equal("3", found.getUserProperty("n"), "property");
        Check.equal("red", found.getTags(), "tag");
        // A tag is no key, and neither is a part of a key.
        for (String nothing : List.of("red", "al", "k", "none")) {
            Check.equal(0, Case.retried("queried", () -> countNow(c, topic, nothing)), "messages with key " + nothing);
        }
    }

    static void byUniqueId(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 3; i++) {
            SendResult sent = Case.sendOk(producer, new Message(topic, "", "k", ("body" + i).getBytes()));
            awaitUnique(c, topic, sent, "body" + i);
        }
        List<Message> batch = IntStream.range(0, 4)
            .mapToObj(i -> new Message(topic, "", "b" + i, ("batch" + i).getBytes())).toList();
        SendResult sent = Case.retried("sent a batch", () -> producer.send(batch));
        String[] ids = sent.getMsgId().split(",");
        Check.equal(4, ids.length, "ids of a batch");
        for (int i = 0; i < ids.length; i++) {
            String id = ids[i];
            String body = "batch" + i;
            Await.until(body + " by its id",
                () -> body.equals(new String(c.cluster.admin().viewMessage(topic, id).getBody())));
            awaitBodies(c, topic, "b" + i, 32, Set.of(body));
        }
    }

    static void byTime(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 3; i++) {
            if (i > 0) {
                long last = newest(c, topic);
                // The index knows seconds, so that a message may lie one beside.
                Await.until("three seconds have passed", () -> System.currentTimeMillis() > last + 3000);
            }
            Case.sendOk(producer, new Message(topic, "", "key", ("body" + i).getBytes()));
            awaitBodies(c, topic, "key", 32, bodies(IntStream.rangeClosed(0, i)));
        }
        // One that was sent twice was stored twice, in a span of time that ends before the next one was sent.
        long[] first = new long[3];
        long[] last = new long[3];
        for (int i = 0; i < 3; i++) {
            long[] stored = storedAt(c, topic, "body" + i);
            first[i] = stored[0];
            last[i] = stored[stored.length - 1];
        }
        checkBodies(c, topic, bodies(IntStream.of(1)), "around the second", first[1] - 1000, last[1] + 1000);
        checkBodies(c, topic, bodies(IntStream.of(0, 1)), "up to the second", first[0] - 1000, last[1] + 1000);
        checkBodies(c, topic, bodies(IntStream.of(1, 2)), "from the second", first[1] - 1000, Long.MAX_VALUE);
        checkBodies(c, topic, Set.of(), "before the first", 0, first[0] - 2000);
        checkBodies(c, topic, Set.of(), "after the last", last[2] + 60_000, Long.MAX_VALUE);
    }

    private static long newest(Case c, String topic) throws Exception {
        return Case.retried("the newest message", () -> query(c, topic, "key", 32, 0, Long.MAX_VALUE).stream()
            .mapToLong(MessageExt::getStoreTimestamp).max().orElseThrow());
    }

    /** When messages with this body were stored, ascending; there is one at least. */
    private static long[] storedAt(Case c, String topic, String body) throws Exception {
        return Case.retried("the times of " + body, () -> {
            long[] times = query(c, topic, "key", 32, 0, Long.MAX_VALUE).stream().filter(m -> body.equals(new String(m.getBody())))
                .mapToLong(MessageExt::getStoreTimestamp).sorted().toArray();
            if (times.length == 0) {
                throw new IllegalStateException("not found");
            }
            return times;
        });
    }

    private static void checkBodies(Case c, String topic, Set<String> expected, String what, long begin, long end) throws Exception {
        Check.gives(expected, what, () -> bodiesIn(c, topic, begin, end));
    }

    static void afterRestart(Case c, String how) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        SendResult first = Case.sendOk(producer, new Message(topic, "", "key one", "before0".getBytes()));
        Case.sendOk(producer, new Message(topic, "", "key two", "before1".getBytes()));
        awaitBodies(c, topic, "key", 32, Set.of("before0", "before1"));
        // Not waited for: that one is in the log when the broker goes, and perhaps not in the index.
        SendResult last = Case.sendOk(producer, new Message(topic, "", "key three", "before2".getBytes()));

        c.cluster.restartBroker(how);
        awaitBodies(c, topic, "key", 32, Set.of("before0", "before1", "before2"));
        awaitBodies(c, topic, "two", 32, Set.of("before1"));
        awaitUnique(c, topic, first, "before0");
        awaitUnique(c, topic, last, "before2");
        Await.until("sent again", () -> {
            Case.sendOk(producer, new Message(topic, "", "key", "after".getBytes()));
            return true;
        });
        Await.until("found again", () -> bodiesIn(c, topic, 0, Long.MAX_VALUE).contains("after"));
        Check.equal(Set.of("before0", "before1", "before2", "after"), bodiesIn(c, topic, 0, Long.MAX_VALUE),
            "everything by its key");
        // Found once each, even if it was indexed again.
        Check.equal(1, query(c, topic, "three", 32, 0, Long.MAX_VALUE).size(), "messages with key three");
    }

    private static List<MessageExt> query(Case c, String topic, String key, int max, long begin, long end) throws Exception {
        try {
            return c.cluster.admin().queryMessage(topic, key, max, begin, end).getMessageList();
        } catch (MQClientException e) {
            if (e.getResponseCode() != 208 && Kills.areOn()) {
                throw e;
            }
            // The client's own code for "nothing was found".
            Check.equal(208, e.getResponseCode(), "code where there is no such message (NO_MESSAGE)");
            return List.of();
        }
    }

    private static int countNow(Case c, String topic, String key) throws Exception {
        return query(c, topic, key, 32, 0, Long.MAX_VALUE).size();
    }

    private static Set<String> bodiesIn(Case c, String topic, long begin, long end) throws Exception {
        return query(c, topic, "key", 32, begin, end).stream().map(m -> new String(m.getBody())).collect(Collectors.toSet());
    }

    /** The Java broker indexes a moment later. */
    private static void awaitBodies(Case c, String topic, String key, int max, Set<String> expected) {
        Await.until(key + " of " + topic + " is " + expected, () -> {
            List<MessageExt> found = query(c, topic, key, max, 0, Long.MAX_VALUE);
            Set<String> bodies = found.stream().map(m -> new String(m.getBody())).collect(Collectors.toSet());
            return (found.size() == expected.size() || Kills.areOn()) && bodies.equals(expected);
        });
    }

    /** By the id that the producer gave, for which the client asks with a flag. */
    private static void awaitUnique(Case c, String topic, SendResult sent, String body) {
        Await.until(body + " by its id", () -> {
            MessageExt found = c.cluster.admin().viewMessage(topic, sent.getMsgId());
            return body.equals(new String(found.getBody())) && (found.getQueueOffset() == sent.getQueueOffset() || Kills.areOn());
        });
    }

    private static Set<String> bodies(IntStream numbers) {
        return numbers.mapToObj(i -> "body" + i).collect(Collectors.toSet());
    }
}
