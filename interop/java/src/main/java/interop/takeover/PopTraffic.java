package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.PopClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/**
 * Messages that are in flight when a store changes hands. What nobody acknowledged comes again from the next broker, what was
 * acknowledged does not, and a handle of the broker before works with this one. In order, too.
 */
final class PopTraffic {
    private static final String TOPIC = "takeover-pop";
    private static final String GROUP = "takeover-poppers";
    private static final String ORDER_TOPIC = "takeover-pop-order";
    private static final String ORDER_GROUP = "takeover-pop-in-order";
    /** Due while no broker runs, or before. */
    private static final long SHORT_MS = 4_000;
    /** Due when the next broker runs. */
    private static final long MEDIUM_MS = 25_000;
    /** Longer than the next broker needs until it gets the acknowledgement, also on a machine that has much else to do. */
    private static final long LONG_MS = 300_000;
    private static final Duration AGAIN = Duration.ofSeconds(90);

    private final Case c;
    private final Path dir = Path.of(System.getProperty("interop.main.dir"));
    private final Path notes = Path.of(System.getProperty("takeover.state") + "-pop");

    PopTraffic(Case c) {
        this.c = c;
    }

    void createTopics() throws Exception {
        c.cluster.createTopic(TOPIC, 2);
        c.cluster.createTopic(ORDER_TOPIC, 2);
        for (String group : List.of(GROUP, ORDER_GROUP)) {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(group);
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
        }
    }

    void send(int turn) throws Exception {
        List<String> noted = new ArrayList<>();
        PopClient pop = new PopClient(c, TOPIC, GROUP);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 12; i++) {
            producer.send(new Message(TOPIC, "", "pop-" + i + "-" + turn, "popped".getBytes()), Cluster.queue(TOPIC, i % 2));
        }
        List<MessageExt> popped = popAll(pop, 12, MEDIUM_MS);
        for (MessageExt message : popped.subList(0, 3)) {
            Check.equal(AckStatus.OK, pop.ack(message).getStatus(), "ack of " + message.getKeys());
        }
        pop.batchAck(popped.subList(3, 6));
        // It comes again from this broker, and is in flight from the retry topic then.
        pop.change(PopClient.handle(popped.get(6)), 1);
        MessageExt again = popAll(pop, 1, MEDIUM_MS).get(0);
        Check.equal(popped.get(6).getKeys(), again.getKeys(), "the message that comes again at once");
        pop.change(PopClient.handle(popped.get(7)), SHORT_MS);
        noted.add("held\t" + pop.change(PopClient.handle(popped.get(8)), LONG_MS).getExtraInfo());
        for (MessageExt message : popped.subList(6, 12)) {
            if (message != popped.get(8)) {
                noted.add("open\t" + message.getKeys());
            }
        }
        for (int queue = 0; queue < 2; queue++) {
            sendInOrder(producer, queue, turn, noted);
        }
        awaitPersisted(turn, noted);
        Files.write(notes, noted);
    }

    /** What the broker before this one left in flight. */
    void check(int earlier) throws Exception {
        List<String> noted = Files.readAllLines(notes);
        PopClient pop = new PopClient(c, TOPIC, GROUP);
        Check.equal(AckStatus.OK, pop.ack(value(noted, "held")).getStatus(), "ack by a handle of the broker before");
        checkOrder(noted, earlier);
        Set<String> open = new TreeSet<>();
        noted.stream().filter(line -> line.startsWith("open\t")).forEach(line -> open.add(line.substring(5)));
        Check.equal(5, open.size(), "messages that were left open");
        Set<String> came = new TreeSet<>();
        Await.until("all that is open comes again", AGAIN, () -> {
            for (MessageExt message : pop.pop(pop.request(32, LONG_MS, 1_000)).messages()) {
                Check.that(message.getReconsumeTimes() > 0, message.getKeys() + " comes again without being counted");
                came.add(message.getKeys());
                pop.ack(message);
            }
            return came.containsAll(open);
        });
        Check.equal(open, came, "what came again");
    }

    /** Queue 0: what is in flight comes again. Queue 1: it is acknowledged by the next broker. */
    private void sendInOrder(DefaultMQProducer producer, int queue, int turn, List<String> noted) throws Exception {
        PopClient pop = new PopClient(c, ORDER_TOPIC, ORDER_GROUP);
        for (int i = 0; i < 4; i++) {
            producer.send(new Message(ORDER_TOPIC, "", "order-" + i + "-" + turn, "ordered".getBytes()), Cluster.queue(ORDER_TOPIC, queue));
        }
        List<MessageExt> first = popInOrder(pop, queue, 2, queue == 0 ? MEDIUM_MS : LONG_MS);
        Check.equal(List.of("order-0-" + turn, "order-1-" + turn), keys(first), "the first two of queue " + queue);
        Check.equal(AckStatus.OK, pop.ack(first.get(0)).getStatus(), "ack in order");
        noted.add("order-" + queue + "\t" + PopClient.handle(first.get(1)));
    }

    private void checkOrder(List<String> noted, int earlier) throws Exception {
        PopClient pop = new PopClient(c, ORDER_TOPIC, ORDER_GROUP);
        Check.equal(List.of(), keys(popInOrder(pop, 1, 4, LONG_MS)), "one is in flight in queue 1");
        Check.equal(AckStatus.OK, pop.ack(value(noted, "order-1")).getStatus(), "ack in order by a handle of the broker before");
        List<MessageExt> rest = popInOrder(pop, 1, 4, LONG_MS);
        Check.equal(List.of("order-2-" + earlier, "order-3-" + earlier), keys(rest), "the rest of queue 1");
        List<MessageExt> again = new ArrayList<>();
        Await.until("queue 0 is free again", AGAIN, () -> again.addAll(popInOrder(pop, 0, 4, LONG_MS)));
        List<String> expected = IntStream.range(1, 4).mapToObj(i -> "order-" + i + "-" + earlier).toList();
        Check.equal(expected, keys(again), "queue 0 from the message that was in flight");
        for (MessageExt message : IntStream.range(0, 5).mapToObj(i -> i < 2 ? rest.get(i) : again.get(i - 2)).toList()) {
            Check.equal(AckStatus.OK, pop.ack(message).getStatus(), "ack of " + message.getKeys());
        }
    }

    private List<MessageExt> popInOrder(PopClient pop, int queue, int max, long invisibleMs) throws Exception {
        PopMessageRequestHeader header = pop.request(max, invisibleMs, 0);
        header.setQueueId(queue);
        header.setOrder(true);
        header.setAttemptId(c.freshName());
        return pop.pop(header).messages();
    }

    private static List<MessageExt> popAll(PopClient pop, int count, long invisibleMs) {
        List<MessageExt> all = new ArrayList<>();
        Await.until(count + " messages", AGAIN, () -> {
            all.addAll(pop.pop(pop.request(32, invisibleMs, 1_000)).messages());
            return all.size() >= count;
        });
        Check.equal(count, new HashSet<>(keys(all)).size(), "messages");
        return all;
    }

    /** A Java broker writes these files now and then: what it has not written, a kill takes, and messages come again. */
    private void awaitPersisted(int turn, List<String> noted) throws Exception {
        String retry = "%RETRY%" + GROUP + "_" + TOPIC;
        Map<String, Long> ends = Map.of(TOPIC + "@" + GROUP, 12L * (turn + 1),
            retry + "@" + GROUP, c.cluster.admin().maxOffset(Cluster.queue(retry, 0)),
            ORDER_TOPIC + "@" + ORDER_GROUP, 8L * turn + 2);
        ends.forEach((at, sum) -> Await.until("offsets of " + at + " on the disk add up to " + sum, () -> c.cluster
            .persistedOffsets(at.substring(at.indexOf('@') + 1), at.substring(0, at.indexOf('@'))).stream()
            .mapToLong(entry -> entry[1]).sum() == sum));
        Path orders = dir.resolve("store/config/consumerOrderInfo.json");
        Pattern oneAcknowledged = Pattern.compile("\"cm\"\\s*:\\s*1\\b");
        Await.until("what is in flight in order is on the disk", () -> {
            String json = Files.readString(orders);
            boolean areThere = noted.stream().filter(line -> line.startsWith("order-"))
                .allMatch(line -> json.contains(line.split("[\t ]")[2]));
            return areThere && oneAcknowledged.matcher(json).results().count() == 2;
        });
    }

    private static String value(List<String> noted, String name) {
        return noted.stream().filter(line -> line.startsWith(name + "\t")).findFirst().orElseThrow().substring(name.length() + 1);
    }

    private static List<String> keys(List<MessageExt> messages) {
        return messages.stream().map(MessageExt::getKeys).toList();
    }
}
