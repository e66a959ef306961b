package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Running push consumers: administrators look at them and let them consume, applications stop them for a while, some hang. */
public final class ConsumerControlScenarios {
    public static final List<Scenario> LIST = List.of(
        Scenario.of("consumer-running-info", c -> runningInfo(c, false), "binary", "kill"),
        Scenario.of("consumer-running-info-orderly", c -> runningInfo(c, true), "kill-all"),
        Scenario.of("consumer-directly", ConsumerControlScenarios::directly, "binary", "kill"),
        Scenario.of("consumer-directly-orderly", ConsumerControlScenarios::directlyInOrder, "kill-all"),
        Scenario.of("consumer-suspend-and-resume", ConsumerControlScenarios::suspendAndResume, "kill"),
        // Alone: a broker that others kill again and again does not live long enough to call a queue stuck.
        Scenario.of("consumer-hangs", ConsumerControlScenarios::hangs, "kill-all", "exclusive"));

    /** The broker of these suites calls a queue stuck after two seconds. */
    private static final Duration UNTIL_IT_IS_TOLD = Duration.ofSeconds(8);

    private ConsumerControlScenarios() {
    }

    /** Waits at messages with key {@code held} until it is let go. */
    private static final class Holding extends Received {
        private volatile CountDownLatch gate = new CountDownLatch(1);

        @Override
        public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch,
            ConsumeConcurrentlyContext context) {
            add(batch);
            waitAt(batch.get(0));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        }

        MessageListenerOrderly inOrder() {
            return (batch, context) -> {
                add(batch);
                waitAt(batch.get(0));
                return ConsumeOrderlyStatus.SUCCESS;
            };
        }

        private void waitAt(Message message) {
            if (!message.getKeys().startsWith("held")) {
                return;
            }
            try {
                gate.await(Await.SOON.toSeconds(), TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        void letGo() {
            gate.countDown();
        }

        void holdAgain() {
            gate = new CountDownLatch(1);
        }
    }

    private static String clientId(DefaultMQPushConsumer consumer) {
        return consumer.getDefaultMQPushConsumerImpl().getmQClientFactory().getClientId();
    }

    static void runningInfo(Case c, boolean isOrderly) throws Exception {
        DefaultMQAdminExt admin = c.cluster.admin();
        String topic = c.freshTopic(2);
        String group = c.freshName();
        Holding holding = new Holding();
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.subscribe(topic, "A || B");
        if (isOrderly) {
            consumer.registerMessageListener(holding.inOrder());
        } else {
            consumer.registerMessageListener(holding);
        }
        consumer.start();
        c.onClose(holding::letGo);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 10; i++) {
            Case.sendOk(producer, new Message(topic, "A", "k-" + i, "x".getBytes()));
        }
        Await.until("10 messages", () -> holding.keys().size() == 10);
        c.cluster.awaitCommitted(group, topic, 10);
        Case.sendOk(producer, new Message(topic, "B", "held", "x".getBytes()));
        Await.until("one is held", () -> holding.keys().contains("held"));

        String clientId = clientId(consumer);
        var info = Await.answer("running information", () -> {
            var told = admin.getConsumerRunningInfo(group, clientId, false);
            // In order, what the listener has is counted apart.
            long cached = told.getMqTable().values().stream()
                .mapToLong(queue -> isOrderly ? queue.getTransactionMsgCount() : queue.getCachedMsgCount()).sum();
            if (cached != 1 || isOrderly && !told.getMqTable().entrySet().stream()
                .allMatch(queue -> !queue.getKey().getTopic().equals(topic) || queue.getValue().isLocked())) {
                throw new IllegalStateException(cached + " messages are with the consumer");
            }
            return told;
        });
        Check.equal(Boolean.toString(isOrderly), info.getProperties().getProperty("PROP_CONSUMEORDERLY"), "whether in order");
        Check.equal("CONSUME_PASSIVELY", info.getProperties().getProperty("PROP_CONSUME_TYPE"), "consume type");
        var subscription = info.getSubscriptionSet().stream().filter(s -> s.getTopic().equals(topic)).findFirst().orElseThrow();
        Check.equal(Set.of("A", "B"), subscription.getTagsSet(), "tags");
        Check.equal(Set.of(0, 1), info.getMqTable().keySet().stream().filter(q -> q.getTopic().equals(topic))
            .map(q -> q.getQueueId()).collect(Collectors.toSet()), "queues of the topic");
        Check.times(10, info.getMqTable().entrySet().stream().filter(q -> q.getKey().getTopic().equals(topic))
            .mapToLong(q -> q.getValue().getCommitOffset()).sum(), "consumed and committed");
        var withStacks = Await.answer("with stacks", () -> admin.getConsumerRunningInfo(group, clientId, true));
        Check.that(withStacks.getJstack().contains("ConsumerControlScenarios"), "the stacks show where the listener waits");
        holding.letGo();
        Await.until("nothing is cached", () -> admin.getConsumerRunningInfo(group, clientId, false).getMqTable().values().stream()
            .allMatch(queue -> queue.getCachedMsgCount() == 0 && queue.getTransactionMsgCount() == 0));
    }

    /** Without any offset that moves. */
    static void directly(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        Received received = new Received() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch,
                ConsumeConcurrentlyContext context) {
                boolean isFirst = !keys().contains(batch.get(0).getKeys());
                add(batch);
                if (!isFirst && batch.get(0).getKeys().equals("throws")) {
                    throw new IllegalStateException("not again");
                }
                return isFirst || batch.get(0).getKeys().equals("good") ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS
                    : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
        };
        DefaultMQPushConsumer consumer = c.startPush(group, topic, "*", received);
        DefaultMQProducer producer = c.producer();
        SendResult good = send(producer, topic, "good");
        SendResult bad = send(producer, topic, "bad");
        SendResult thrower = send(producer, topic, "throws");
        received.awaitExactly(List.of("good", "bad", "throws"));
        c.cluster.awaitCommitted(group, topic, 3);

        Check.equal("CR_SUCCESS", resultOf(c, group, consumer, topic, good), "result of the good one");
        Check.equal("CR_LATER", resultOf(c, group, consumer, topic, bad), "result of the bad one");
        Check.equal("CR_THROW_EXCEPTION", resultOf(c, group, consumer, topic, thrower), "result of the one that throws");
        Check.times(2, received.allByKey("good").size(), "the good one was consumed");
        Check.times(2, received.allByKey("bad").size(), "the bad one was consumed");
        var again = received.allByKey("good").get(1);
        Check.equal("body of good", new String(again.getBody()), "body");
        Check.equal("tag", again.getTags(), "tag");
        Check.equal(good.getQueueOffset(), again.getQueueOffset(), "queue offset");
        c.cluster.awaitCommitted(group, topic, 3);
    }

    static void directlyInOrder(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        Holding seen = new Holding();
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(seen.inOrder());
        consumer.start();
        SendResult sent = send(c.producer(), topic, "k");
        seen.awaitExactly(List.of("k"));
        Check.equal("CR_SUCCESS", resultOf(c, group, consumer, topic, sent), "result");
        Check.times(2, seen.count(), "the message was consumed");
    }

    private static SendResult send(DefaultMQProducer producer, String topic, String key) throws Exception {
        return Case.sendOk(producer, new Message(topic, "tag", key, ("body of " + key).getBytes()));
    }

    private static String resultOf(Case c, String group, DefaultMQPushConsumer consumer, String topic, SendResult sent)
        throws Exception {
        return Case.retried("consumed directly", () -> c.cluster.admin()
            .consumeMessageDirectly(group, clientId(consumer), topic, sent.getOffsetMsgId()).getConsumeResult().name());
    }

    /** A pull that is under way may bring a few; another group shows that the others could have come. */
    static void suspendAndResume(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        DefaultMQPushConsumer consumer = c.startPush(group, topic, "*", received);
        received.awaitExactly(Case.sendSome(producer, topic, "before", 5));
        Received witness = new Received();
        c.startPush(c.freshName(), topic, "*", witness);
        Await.until("the witness has the first ones", () -> witness.keys().size() == 5);
        received.clear();
        consumer.suspend();
        for (int i = 0; i < 10; i++) {
            String key = "while-" + i;
            Case.sendOk(producer, new Message(topic, "", key, "x".getBytes()));
            Await.until("the witness has " + key, () -> witness.keys().contains(key));
        }
        Check.that(!received.keys().contains("while-9"), "a suspended consumer gets no messages");
        consumer.resume();
        Await.until("what was sent meanwhile", () -> received.keys().containsAll(
            witness.keys().stream().filter(key -> key.startsWith("while")).toList()));
        c.cluster.awaitCommitted(group, topic, 15);
    }

    /** Its queue is not pulled any more, which an Eruca broker tells. */
    static void hangs(Case c) throws Exception {
        if (System.getProperty("interop.server", "eruca").equals("java")) {
            return;
        }
        String topic = c.freshTopic(1);
        String group = c.freshName();
        Holding holding = new Holding();
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setPullThresholdForQueue(1);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(holding);
        consumer.start();
        c.onClose(holding::letGo);
        DefaultMQProducer producer = c.producer();
        String ours = group + " " + topic + " 0 (";
        List<String> keys = new ArrayList<>();
        // A broker that has just started does not know who pulled before. After a kill the consumer has to pull once more, and hang again.
        Await.until("the broker tells which queue is stuck", () -> {
            keys.addAll(Case.sendSome(producer, topic, "held-" + keys.size(), 8));
            if (isToldStuck(c, ours)) {
                return true;
            }
            holding.letGo();
            Await.until("they are consumed", () -> holding.keys().containsAll(keys));
            holding.holdAgain();
            return false;
        });
        holding.letGo();
        holding.awaitExactly(keys);
        Await.until("the queue is not stuck any more",
            () -> !String.valueOf(c.cluster.runtime("stuckConsumerQueueList")).contains(ours));
    }

    /** Without kills it has to be told; with them the broker may have been started anew meanwhile. */
    private static boolean isToldStuck(Case c, String queue) {
        try {
            Await.within(queue + " is told", Kills.areOn() ? UNTIL_IT_IS_TOLD : Await.SOON, () ->
                String.valueOf(c.cluster.runtime("stuckConsumerQueueList")).contains(queue)
                    && !c.cluster.runtime("stuckConsumerQueues").equals("0"));
            return true;
        } catch (AssertionError e) {
            if (Kills.areOn()) {
                return false;
            }
            throw e;
        }
    }
}
