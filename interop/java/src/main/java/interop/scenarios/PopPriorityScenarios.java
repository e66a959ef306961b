package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.PopBook;
import interop.PopClient;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Queues that stand for priorities. */
public final class PopPriorityScenarios {
    private static final int QUEUES = 8;
    private static final long LONG_MS = 120_000;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("priority-highest-first", PopPriorityScenarios::highestFirst, "kill-all"),
        Scenario.of("priority-says-the-queue", PopPriorityScenarios::queue, "kill"));

    private PopPriorityScenarios() {
    }

    private static String priorityTopic(Case c) throws Exception {
        String topic = c.freshName();
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(QUEUES);
        config.setWriteQueueNums(QUEUES);
        config.setPerm(6);
        config.setAttributes(Map.of("+message.type", "PRIORITY"));
        Case.retried("created " + topic, () -> {
            c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), config);
            return true;
        });
        Await.until("route of " + topic, () -> !c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        return topic;
    }

    private static Message message(String topic, int priority) {
        Message message = new Message(topic, "", "p" + priority, ("priority " + priority).getBytes(StandardCharsets.UTF_8));
        message.setPriority(priority);
        return message;
    }

    private static void highestFirst(Case c) throws Exception {
        String topic = priorityTopic(c);
        String group = c.freshName();
        SubscriptionGroupConfig config = new SubscriptionGroupConfig();
        config.setGroupName(group);
        Case.retried("created " + group, () -> {
            c.cluster.admin().createAndUpdateSubscriptionGroupConfig(c.cluster.brokerAddr(), config);
            return true;
        });
        DefaultMQProducer producer = c.producer();
        for (int priority : new int[] {0, 5, 2, 7, 9, 2}) {
            Case.sendOk(producer, message(topic, priority));
        }
        PopClient client = new PopClient(c, topic, group);
        if (Kills.areOn()) {
            highestFirstWithKills(new PopBook(c, client, topic));
            return;
        }
        List<Integer> queues = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            List<MessageExt> popped = client.pop(1, LONG_MS);
            Check.equal(1, popped.size(), "messages of one pop");
            queues.add(popped.get(0).getQueueId());
            client.ack(popped.get(0));
        }
        Check.equal(List.of(7, 7, 5, 2, 2, 0), queues, "queues in the order of the pops");
        Check.equal(0, client.pop(1, LONG_MS).size(), "messages that are left");
    }

    /** The order holds only among those that are there when a pop comes: one whose answer was lost comes later. */
    private static void highestFirstWithKills(PopBook book) throws Exception {
        Set<String> all = Set.of("p0", "p2", "p5", "p7", "p9");
        List<MessageExt> popped = book.popAll(all, PopBook.LONG_MS);
        for (MessageExt message : popped) {
            int queue = Math.min(Integer.parseInt(message.getKeys().substring(1)), QUEUES - 1);
            // What comes again comes from the queue of the group's retry topic.
            Check.that(message.getReconsumeTimes() > 0 || message.getQueueId() == queue, message.getKeys() + " lies in " + message.getQueueId());
            book.ack(message);
        }
        book.awaitNothing(1_000);
    }

    private static void queue(Case c) throws Exception {
        String topic = priorityTopic(c);
        DefaultMQProducer producer = c.producer();
        for (int priority : new int[] {0, 3, 7, 8, 1000}) {
            SendResult sent = Case.sendOk(producer, message(topic, priority));
            Check.equal(Math.min(priority, QUEUES - 1), sent.getMessageQueue().getQueueId(), "queue of priority " + priority);
        }
    }
}
