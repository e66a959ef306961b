package interop.load;

import interop.Await;
import interop.Case;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers of a {@link Load}, and what they note in the {@link Ledger}. */
public final class Readers {
    /** Of each writer's messages one of so many is sent back once. */
    private static final int SENT_BACK_EVERY = 50;
    private static final int ASK_MS = 1_000;
    private static final int ASK_TIMEOUT_MS = 2_000;

    private final String namesrvs;
    private final Ledger ledger;
    private final List<DefaultMQPushConsumer> consumers = new ArrayList<>();
    /** Group to topic. */
    private final Map<String, String> groups = new HashMap<>();
    private Thread watch;
    private volatile boolean stopped;

    public Readers(String namesrvs, Ledger ledger) {
        this.namesrvs = namesrvs;
        this.ledger = ledger;
    }

    private DefaultMQPushConsumer consumer(String topic) throws Exception {
        String group = topic + "-group";
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrvs);
        consumer.setInstanceName(Case.freshInstance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPollNameServerInterval(1_000);
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.setPersistConsumerOffsetInterval(1_000);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        consumer.subscribe(topic, "*");
        ledger.subscribed(group, topic);
        groups.put(group, topic);
        consumers.add(consumer);
        return consumer;
    }

    /** A group of its own, with one consumer, that sends some messages back. */
    public void concurrently(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic);
        String group = consumer.getConsumerGroup();
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            // One at a time, which is the client's default: all of it succeeds, or none.
            for (MessageExt message : messages) {
                int reconsumed = message.getReconsumeTimes();
                if (reconsumed == 0 && Ledger.sequence(message.getKeys()) % SENT_BACK_EVERY == SENT_BACK_EVERY - 1) {
                    ledger.sentBack(group, message.getKeys(), topic, Place.of(message), reconsumed);
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
                ledger.delivered(group, message.getKeys(), topic, Place.of(message), reconsumed);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }

    /** A group of its own, with one consumer, that is given each queue in its order. */
    public void orderly(String topic) throws Exception {
        DefaultMQPushConsumer consumer = consumer(topic);
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            messages.forEach(message -> ledger.delivered(consumer.getConsumerGroup(), message.getKeys(), topic, Place.of(message),
                message.getReconsumeTimes()));
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
    }

    /** Asks the masters again and again what is committed. After all groups are there. */
    public void watchOffsets() {
        Map<Place, Long> told = new HashMap<>();
        watch = new Thread(() -> {
            while (!stopped) {
                groups.forEach((group, topic) -> ask(group, topic, told));
                try {
                    // Not a wait for anything: how often is asked.
                    Thread.sleep(ASK_MS);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }, "offsets");
        watch.setDaemon(true);
        watch.start();
    }

    private void ask(String group, String topic, Map<Place, Long> told) {
        try {
            var api = consumers.get(0).getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl();
            for (var broker : api.getTopicRouteInfoFromNameServer(topic, ASK_TIMEOUT_MS).getBrokerDatas()) {
                String master = broker.getBrokerAddrs().get(MixAll.MASTER_ID);
                if (master == null) {
                    continue;
                }
                api.getConsumeStats(master, group, topic, ASK_TIMEOUT_MS).getOffsetTable().forEach((queue, at) -> {
                    Long offset = at.getConsumerOffset();
                    Place place = Place.of(queue, 0);
                    if (queue.getTopic().equals(topic) && offset >= 0 && !offset.equals(told.put(place, offset))) {
                        ledger.committed(group, place, offset);
                    }
                });
            }
        } catch (Exception e) {
            // Whoever was asked is away. There will be another answer.
        }
    }

    /** Waits until all groups have everything that was acknowledged until now. @return after how long */
    public Duration awaitAll(Duration bound) {
        long asked = System.nanoTime();
        var missing = ledger.missing();
        try {
            Await.until("everything is consumed", bound, () -> {
                missing.retainAll(ledger.missing());
                return missing.isEmpty();
            });
        } catch (AssertionError e) {
            throw new AssertionError(missing.size() + " acknowledged messages were not delivered within " + bound.toSeconds() + " s, e.g. "
                + missing.stream().sorted().limit(5).toList(), e);
        }
        return Duration.ofNanos(System.nanoTime() - asked);
    }

    /** Reads all queues of the topic from begin to end. */
    public void readBack(String topic) throws Exception {
        DefaultMQPullConsumer reader = new DefaultMQPullConsumer(topic + "-readback");
        reader.setNamesrvAddr(namesrvs);
        reader.setInstanceName(Case.freshInstance());
        reader.start();
        for (MessageQueue queue : Await.answer("queues of " + topic, () -> reader.fetchSubscribeMessageQueues(topic))) {
            long begin = Await.answer("begin of " + queue, () -> reader.minOffset(queue));
            long end = Await.answer("end of " + queue, () -> reader.maxOffset(queue));
            ledger.read(Place.of(queue, begin), end);
            for (long next = begin; next < end;) {
                long from = next;
                PullResult result = Await.answer("messages of " + queue + " from " + from, () -> reader.pull(queue, "*", from, 32));
                if (result.getPullStatus() != PullStatus.FOUND) {
                    // What was acknowledged there is missed by the checker.
                    break;
                }
                result.getMsgFoundList().forEach(message -> ledger.found(message.getKeys(), Place.of(queue, message.getQueueOffset())));
                next = result.getNextBeginOffset();
            }
        }
        reader.shutdown();
    }

    /** Ends the consumers. */
    public void close() throws InterruptedException {
        stopped = true;
        if (watch != null) {
            watch.join();
        }
        consumers.forEach(DefaultMQPushConsumer::shutdown);
    }
}
