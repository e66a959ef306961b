package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages, topics and offsets outlive the broker; clients that stay connected go on by themselves. */
public final class RestartScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("restart-broker-clean", c -> restart(c, "clean"), "exclusive"),
        Scenario.of("restart-broker-kill", c -> restart(c, "kill"), "exclusive"));

    private RestartScenarios() {
    }

    static void restart(Case c, String how) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        // A restarted broker knows nobody: pulls are refused until the next heartbeat.
        DefaultMQPushConsumer consumer = c.startPush(group, topic, "*", received);
        List<String> before = Case.sendSome(producer, topic, "before", 40);
        received.awaitExactly(before);
        c.cluster.awaitCommitted(group, topic, 40);
        commitAcknowledged(consumer, topic);
        c.cluster.awaitPersisted(group, topic, 40);

        c.cluster.restartBroker(how);
        Check.equal(40L, c.cluster.committed(group, topic), "committed offsets after the restart");
        List<String> after = sendAgain(producer, topic, "after", 20);
        List<String> everything = new ArrayList<>(before);
        everything.addAll(after);
        Received.awaitExactly(Duration.ofSeconds(60), everything, received);
        Check.equal(everything.size(), readAll(c, topic).size(), "messages in the queues");

        c.cluster.awaitCommitted(group, topic, 60);
        consumer.shutdown();
        Received successor = new Received();
        c.startPush(group, topic, "*", successor);
        successor.awaitExactly(Case.sendSome(producer, topic, "last", 10));
    }

    /** The synchronous form of the update: when it returns, the broker has promised to keep the offset. */
    private static void commitAcknowledged(DefaultMQPushConsumer consumer, String topic) throws Exception {
        var impl = consumer.getDefaultMQPushConsumerImpl();
        for (MessageQueue queue : Case.queuesOf(consumer, topic)) {
            // Everything is consumed here, so the end of the queue is what is committed.
            impl.getOffsetStore().updateConsumeOffsetToBroker(queue, impl.maxOffset(queue), false);
        }
    }

    /** Clients find the new connection by themselves; until then sends may fail. */
    private static List<String> sendAgain(DefaultMQProducer producer, String topic, String prefix, int count) {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String key = prefix + "-" + i;
            Await.until("sent " + key, () -> {
                Case.sendOk(producer, new Message(topic, "", key, "x".getBytes()));
                return true;
            });
            keys.add(key);
        }
        return keys;
    }

    private static List<MessageExt> readAll(Case c, String topic) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer(c.freshName());
        List<MessageExt> all = new ArrayList<>();
        for (int id = 0; id < 4; id++) {
            MessageQueue queue = Cluster.queue(topic, id);
            long next = reader.minOffset(queue);
            while (next < reader.maxOffset(queue)) {
                PullResult result = reader.pull(queue, "*", next, 32);
                Check.equal(PullStatus.FOUND, result.getPullStatus(), "status at " + next + " of " + queue);
                all.addAll(result.getMsgFoundList());
                next = result.getNextBeginOffset();
            }
        }
        return all;
    }
}
