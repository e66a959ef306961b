package interop.diff;

import interop.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;

/** Push consumers of which each member is given everything: by tag, in order, with failures, which do not come again. */
final class Broadcasts {
    private static final Duration BOUND = Duration.ofSeconds(90);
    /** So long nothing more must come. */
    private static final long QUIET_MS = 1_500;

    private final String group;
    private final List<String> topics;

    Broadcasts(String prefix, List<String> topics) {
        this.group = prefix + "broadcast";
        this.topics = topics;
    }

    void run(Side side) throws Exception {
        List<Member> all = List.of(new Member("first", "*", false), new Member("second", "*", false), new Member("ordered", "*", true));
        for (Member member : all) {
            start(side, group, member);
        }
        // A group of its own, as members of one have to ask for the same.
        Member red = new Member("red", "red || blue", false);
        start(side, group + "-red", red);
        Reading reading = new Reading(side, group + "-reader", false);
        int whole = reading.count(topics, "*");
        int reds = reading.count(topics, red.tags);
        for (Member member : all) {
            member.await(whole);
        }
        red.await(reds);
        all.forEach(member -> member.report(side));
        red.report(side);
        for (String topic : topics) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                // Members keep their offsets themselves.
                Map<String, String> fields = Map.of("consumerGroup", group, "topic", topic, "queueId", String.valueOf(queue));
                side.see("broadcast committed " + topic + ":" + queue, Texts.answer(side.ask(14, fields, null)));
            }
        }
    }

    private void start(Side side, String group, Member member) throws Exception {
        DefaultMQPushConsumer consumer = side.c.pushConsumer(group);
        consumer.setMessageModel(MessageModel.BROADCASTING);
        for (String topic : topics) {
            consumer.subscribe(topic, member.tags);
        }
        if (member.inOrder) {
            consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
                member.add(batch);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> member.add(batch)
                ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS);
        }
        consumer.start();
    }

    /** What one member was given, by queue. */
    private static final class Member {
        final String name;
        final String tags;
        final boolean inOrder;
        private final Map<String, List<String>> byPlace = new TreeMap<>();
        private final AtomicInteger count = new AtomicInteger();
        private volatile long last = System.nanoTime();

        Member(String name, String tags, boolean inOrder) {
            this.name = name;
            this.tags = tags;
            this.inOrder = inOrder;
        }

        /** Whether it fails. */
        synchronized boolean add(List<MessageExt> batch) {
            boolean fails = false;
            for (MessageExt message : batch) {
                // In order where the consumer is; else each queue's messages by their offset.
                String place = message.getTopic() + ":" + message.getQueueId() + (inOrder ? "" : String.format(":%05d", message.getQueueOffset()));
                byPlace.computeIfAbsent(place, p -> new ArrayList<>()).add(Texts.message(message));
                fails |= message.getQueueOffset() % 5 == 0;
                count.incrementAndGet();
            }
            last = System.nanoTime();
            return fails;
        }

        void await(int wanted) {
            Await.until(name + " is given " + wanted + " messages", BOUND,
                () -> count.get() >= wanted && System.nanoTime() - last > QUIET_MS * 1_000_000);
        }

        synchronized void report(Side side) {
            byPlace.forEach((place, messages) -> side.see("broadcast " + name + " " + place, String.join("\n    ", messages)));
        }
    }
}
