package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Ordered consumption: one consumer at a time per queue, messages in their order. */
public final class OrderlyScenarios {
    /** A queue that changes hands is retried at the client's next rebalance (20 s), twice in the worst case. */
    private static final Duration HAND_OVER = Duration.ofSeconds(70);

    public static final List<Scenario> LIST = List.of(
        Scenario.of("orderly-two-consumers", OrderlyScenarios::twoConsumers, "kill"),
        Scenario.of("orderly-suspend", OrderlyScenarios::suspend, "binary", "kill"),
        Scenario.of("orderly-dlq", OrderlyScenarios::deadLetter, "kill"),
        Scenario.of("orderly-order-configuration", OrderlyScenarios::orderConfiguration, "kill"));

    private OrderlyScenarios() {
    }

    /** What all members of a group saw, per queue; notes when two of them work on one queue at a time. */
    private static final class Log {
        private final Map<Integer, List<MessageExt>> perQueue = new ConcurrentHashMap<>();
        private final Map<Integer, String> working = new ConcurrentHashMap<>();
        private final AtomicReference<String> violation = new AtomicReference<>();

        MessageListenerOrderly member(String name) {
            return (batch, context) -> {
                int queue = batch.get(0).getQueueId();
                String other = working.putIfAbsent(queue, name);
                if (other != null) {
                    violation.set("queue " + queue + " consumed by " + name + " and " + other + " at a time");
                }
                perQueue.computeIfAbsent(queue, q -> Collections.synchronizedList(new ArrayList<>())).addAll(batch);
                if (other == null) {
                    working.remove(queue);
                }
                return ConsumeOrderlyStatus.SUCCESS;
            };
        }

        long distinct() {
            return perQueue.values().stream()
                .mapToLong(list -> List.copyOf(list).stream().map(MessageExt::getKeys).distinct().count()).sum();
        }

        /** Repeats are allowed when a queue changes hands, but nothing may be passed over. */
        void check() {
            // A broker that was killed has forgotten who had locked a queue, and that member goes on for a while.
            Check.that(Kills.areOn() || violation.get() == null, violation.get());
            perQueue.forEach((queue, list) -> {
                long next = 0;
                for (MessageExt message : list) {
                    Check.that(message.getQueueOffset() <= next,
                        "queue " + queue + ": offset " + message.getQueueOffset() + " came before " + next);
                    if (message.getQueueOffset() == next) {
                        next++;
                    }
                }
            });
        }
    }

    private static DefaultMQPushConsumer member(Case c, String group, String topic, MessageListenerOrderly listener)
        throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    private static void send(DefaultMQProducer producer, String topic, int from, int to) throws Exception {
        for (int i = from; i < to; i++) {
            int number = i;
            Case.retried("sent " + i, () -> producer.send(new Message(topic, "", "k" + number, ("" + number).getBytes()),
                (queues, message, order) -> queues.get((Integer) order % queues.size()), number));
        }
    }

    static void twoConsumers(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Log log = new Log();
        DefaultMQPushConsumer one = member(c, group, topic, log.member("one"));
        send(producer, topic, 0, 40);
        Await.until("first 40", () -> log.distinct() == 40);
        DefaultMQPushConsumer two = member(c, group, topic, log.member("two"));
        send(producer, topic, 40, 120);
        Await.until("two queues each", HAND_OVER,
            () -> Case.queuesOf(one, topic).size() == 2 && Case.queuesOf(two, topic).size() == 2);
        send(producer, topic, 120, 160);
        Await.until("first 160", HAND_OVER, () -> log.distinct() == 160);
        two.shutdown();
        send(producer, topic, 160, 200);
        Await.until("all 200", HAND_OVER, () -> log.distinct() == 200);
        log.check();
    }

    static void suspend(Case c) throws Exception {
        String topic = c.freshTopic(1);
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        MessageListenerOrderly listener = (batch, context) -> {
            MessageExt message = batch.get(0);
            seen.add(message.getKeys() + "/" + message.getReconsumeTimes());
            if (message.getKeys().equals("k2") && message.getReconsumeTimes() < 2) {
                return suspendBriefly(context);
            }
            return ConsumeOrderlyStatus.SUCCESS;
        };
        member(c, c.freshName(), topic, listener);
        send(c.producer(), topic, 0, 5);
        Await.until("the last message", () -> seen.contains("k4/0"));
        List<String> attempts = List.copyOf(seen);
        // What comes again after a kill counts the first time.
        Check.equal(List.of("k0/0", "k1/0", "k2/0", "k2/1", "k2/2", "k3/0", "k4/0"),
            Kills.areOn() ? attempts.stream().distinct().toList() : attempts, "order of attempts");
    }

    private static ConsumeOrderlyStatus suspendBriefly(ConsumeOrderlyContext context) {
        context.setSuspendCurrentQueueTimeMillis(100);
        return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
    }

    static void deadLetter(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setMaxReconsumeTimes(1);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            seen.add(batch.get(0).getKeys());
            return batch.get(0).getKeys().equals("k1") ? suspendBriefly(context) : ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        send(c.producer(), topic, 0, 3);
        Check.equal("k1", RetryScenarios.deadLetter(c, group).getKeys(), "dead letter");
        Await.until("the message behind it", () -> seen.contains("k2"));
        MessageQueue queue = Case.queuesOf(consumer, topic).iterator().next();
        Check.equal(0, queue.getQueueId(), "queue");
    }

    /** The name server's order configuration says over how many queues the messages of a topic go, whatever the topic has. */
    static void orderConfiguration(Case c) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String topic = c.freshTopic(8);
        admin.createOrUpdateOrderConf(topic, "broker-a:3", true);
        Await.until("the route tells", () -> "broker-a:3".equals(admin.examineTopicRouteInfo(topic).getOrderTopicConf()));
        Log log = new Log();
        member(c, c.freshName(), topic, log.member("one"));
        DefaultMQProducer producer = c.unstartedProducer();
        producer.setPollNameServerInterval(1000);
        producer.start();
        Check.equal(3, producer.fetchPublishMessageQueues(topic).size(), "queues to send to");
        send(producer, topic, 0, 30);
        Await.until("first 30", () -> log.distinct() == 30);
        Check.equal(Set.of(0, 1, 2), Set.copyOf(log.perQueue.keySet()), "queues that have messages");

        // Of this broker only; the others' would stay.
        admin.createOrUpdateOrderConf(topic, "broker-a:5", false);
        Check.equal("broker-a:5", admin.getKVConfig("ORDER_TOPIC_CONFIG", topic), "configuration in the name server");
        Await.until("the producer knows 5 queues", () -> producer.getDefaultMQProducerImpl().getTopicPublishInfoTable().get(topic)
            .getMessageQueueList().size() == 5);
        send(producer, topic, 30, 60);
        Await.until("all 60", () -> log.distinct() == 60);
        Check.equal(Set.of(0, 1, 2, 3, 4), Set.copyOf(log.perQueue.keySet()), "queues that have messages at last");
        log.check();
    }
}
