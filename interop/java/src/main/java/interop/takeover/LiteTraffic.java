package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.PopLiteClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/**
 * Lite topics that are in use when a store changes hands: one that all brokers use, one of each turn, and one that nobody ever
 * consumed. What was acknowledged stays so, the rest comes from the next broker, in order.
 */
final class LiteTraffic {
    private static final String TOPIC = "takeover-lite";
    private static final String GROUP = "takeover-lite-consumers";
    private static final String SHARED = "shared";
    private static final String UNREAD = "unread";
    /** Messages of a turn in each lite topic. */
    private static final int MESSAGES = 5;
    /** Of these, how many are acknowledged by the broker that took them in. */
    private static final int ACKNOWLEDGED = 2;
    private static final long INVISIBLE_MS = 20_000;
    private static final Duration AGAIN = Duration.ofSeconds(90);

    private final Case c;

    LiteTraffic(Case c) {
        this.c = c;
    }

    void createTopics() throws Exception {
        TopicConfig topic = new TopicConfig(TOPIC);
        topic.setReadQueueNums(1);
        topic.setWriteQueueNums(1);
        topic.setPerm(6);
        topic.setAttributes(Map.of("+message.type", "LITE", "+lite.topic.expiration", "600"));
        c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), topic);
        Await.until("route of " + TOPIC, () -> !c.cluster.admin().examineTopicRouteInfo(TOPIC).getQueueDatas().isEmpty());
        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName(GROUP);
        group.getAttributes().put("+lite.bind.topic", TOPIC);
        c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), group);
    }

    /** Some messages of each lite topic; the first of them are consumed here. */
    void send(int turn) throws Exception {
        DefaultMQProducer producer = c.producer();
        for (String lite : List.of(SHARED, ofTurn(turn), UNREAD)) {
            for (int i = 0; i < MESSAGES; i++) {
                Message message = new Message(TOPIC, body(lite, turn, i).getBytes(StandardCharsets.UTF_8));
                MessageAccessor.putProperty(message, MessageConst.PROPERTY_LITE_TOPIC, lite);
                producer.send(message);
            }
        }
        for (String lite : List.of(SHARED, ofTurn(turn))) {
            PopLiteClient client = client(lite, turn);
            consume(client, expected(lite, turn, 0, ACKNOWLEDGED), ACKNOWLEDGED);
            // One is in flight when the broker ends.
            Check.equal(expected(lite, turn, ACKNOWLEDGED, ACKNOWLEDGED + 1), bodies(popped(client, 1)), "what is in flight of " + lite);
            long progress = lite.equals(SHARED) ? (long) MESSAGES * turn + ACKNOWLEDGED : ACKNOWLEDGED;
            Await.until("progress in " + lite + " is on the disk",
                () -> c.cluster.persistedOffsets(GROUP, "%LMQ%$" + TOPIC + "$" + lite).stream().anyMatch(entry -> entry[1] == progress));
        }
    }

    /** What the broker before this one left is here, with its offsets, and comes in order from where the group was. */
    void check(int earlier) throws Exception {
        for (String lite : List.of(SHARED, ofTurn(earlier))) {
            PopLiteClient client = client(lite, earlier + 100);
            consume(client, expected(lite, earlier, ACKNOWLEDGED, MESSAGES), 32);
            Check.equal(List.of(), bodies(client.pop(32, INVISIBLE_MS, 0)), "more messages of " + lite);
        }
        PopLiteClient any = client(UNREAD, earlier);
        long sentBefore = (long) MESSAGES * (earlier + 1);
        Check.equal(sentBefore, any.info(UNREAD).getTopicOffset().getMaxOffset(), "messages of " + UNREAD);
        Check.equal(sentBefore, any.info(SHARED).getTopicOffset().getMaxOffset(), "messages of " + SHARED);
        Check.equal((long) MESSAGES, any.info(ofTurn(0)).getTopicOffset().getMaxOffset(), "messages of the first turn");
        var parent = c.cluster.admin().getParentTopicInfo(c.cluster.brokerAddr(), TOPIC);
        Check.equal(earlier + 3, parent.getLiteTopicCount(), "lite topics");
    }

    private PopLiteClient client(String lite, int number) throws Exception {
        PopLiteClient client = new PopLiteClient(c, TOPIC, GROUP, "client-" + lite + "-" + number);
        client.subscribe(lite);
        return client;
    }

    private static void consume(PopLiteClient client, List<String> expected, int most) throws Exception {
        List<String> came = new ArrayList<>();
        while (came.size() < expected.size()) {
            for (MessageExt message : popped(client, most)) {
                came.addAll(bodies(List.of(message)));
                Check.equal(AckStatus.OK, client.ack(message), "acknowledgement of " + came.get(came.size() - 1));
            }
        }
        Check.equal(expected, came, "what comes");
    }

    private static List<MessageExt> popped(PopLiteClient client, int most) {
        List<MessageExt> came = new ArrayList<>();
        Await.until("messages", AGAIN, () -> came.addAll(client.pop(most, INVISIBLE_MS, 500)));
        return came;
    }

    private static String ofTurn(int turn) {
        return "turn-" + turn;
    }

    private static String body(String lite, int turn, int number) {
        return lite + "-" + number + "-" + turn;
    }

    private static List<String> expected(String lite, int turn, int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> body(lite, turn, i)).toList();
    }

    private static List<String> bodies(List<MessageExt> messages) {
        return messages.stream().map(message -> new String(message.getBody(), StandardCharsets.UTF_8)).toList();
    }
}
