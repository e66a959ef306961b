package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Received;
import interop.Scenario;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** The push consumer: clustering, broadcasting, tag filters, restart of the consumer. */
public final class PushScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("push-clustering", PushScenarios::clustering, "basic", "binary", "kill"),
        Scenario.of("push-broadcasting", PushScenarios::broadcasting, "binary", "kill"),
        Scenario.of("push-tag-filter", PushScenarios::tagFilter, "binary", "kill"),
        Scenario.of("push-two-groups", PushScenarios::twoGroups, "kill"),
        Scenario.of("push-before-topic", PushScenarios::beforeTopic, "kill"),
        Scenario.of("push-consumer-restart", PushScenarios::consumerRestart, "basic", "binary", "kill"));

    private PushScenarios() {
    }

    static void clustering(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        List<String> keys = Case.sendSome(c.producer(), topic, "k", 200);
        received.awaitExactly(keys);
        for (MessageExt message : received.all()) {
            Check.equal("body of " + message.getKeys(), new String(message.getBody()), "body");
        }
    }

    static void broadcasting(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        List<Received> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Received received = new Received();
            DefaultMQPushConsumer consumer = c.pushConsumer(group);
            setBroadcasting(consumer);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener(received);
            consumer.start();
            Await.until("all queues", () -> Case.queuesOf(consumer, topic).size() == 4);
            members.add(received);
        }
        List<String> keys = Case.sendSome(producer, topic, "k", 30);
        for (Received member : members) {
            member.awaitExactly(keys);
        }
    }

    /** The enum moved to another package between 4.x and 5.x, so it must not be named. */
    private static void setBroadcasting(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(consumer.getMessageModel().valueOf("BROADCASTING"));
    }

    static void tagFilter(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received aOrB = new Received();
        Received onlyC = new Received();
        Received none = new Received();
        c.startPush(c.freshName(), topic, "A || B", aOrB);
        c.startPush(c.freshName(), topic, "C", onlyC);
        c.startPush(c.freshName(), topic, "Nothing", none);
        DefaultMQProducer producer = c.producer();
        List<String> expectedAB = new ArrayList<>();
        List<String> expectedC = new ArrayList<>();
        // "Aa" and "BB" have the same Java hash code: the broker lets both pass, the client must not.
        String[] tags = {"A", "B", "C", "Aa", "BB", "", "D"};
        for (int i = 0; i < 70; i++) {
            String tag = tags[i % tags.length];
            String key = "k" + i;
            Case.sendOk(producer, new Message(topic, tag, key, "x".getBytes()));
            if (tag.equals("A") || tag.equals("B")) {
                expectedAB.add(key);
            } else if (tag.equals("C")) {
                expectedC.add(key);
            }
        }
        aOrB.awaitExactly(expectedAB);
        onlyC.awaitExactly(expectedC);
        Check.equal(0, none.count(), "messages without a matching tag");

        Received collision = new Received();
        c.startPush(c.freshName(), topic, "Aa", collision);
        Await.until("all with tag Aa", () -> collision.count() >= 10);
        Check.that(collision.all().stream().allMatch(m -> m.getTags().equals("Aa")), "same hash, other tag");
    }

    static void twoGroups(Case c) throws Exception {
        String topic = c.freshTopic(4);
        Received one = new Received();
        Received two = new Received();
        c.startPush(c.freshName(), topic, "*", one);
        List<String> keys = Case.sendSome(c.producer(), topic, "k", 40);
        c.startPush(c.freshName(), topic, "*", two);
        one.awaitExactly(keys);
        two.awaitExactly(keys);
    }

    static void beforeTopic(Case c) throws Exception {
        String topic = c.freshName();
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        received.awaitExactly(Case.sendSome(c.producer(), topic, "k", 10));
    }

    static void consumerRestart(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received first = new Received();
        DefaultMQPushConsumer consumer = c.startPush(group, topic, "*", first);
        first.awaitExactly(Case.sendSome(producer, topic, "before", 40));
        // A client that is shut down right after its listener returned may miss to commit the last ones.
        c.cluster.awaitCommitted(group, topic, 40);
        consumer.shutdown();

        List<String> whileAway = Case.sendSome(producer, topic, "away", 20);
        Received second = new Received();
        c.startPush(group, topic, "*", second);
        second.awaitExactly(whileAway);
    }
}
