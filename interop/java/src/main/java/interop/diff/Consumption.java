package interop.diff;

import interop.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/** Push consumers over all that was sent: by tag, in order, with failures that end as dead letters. */
final class Consumption {
    private static final Duration BOUND = Duration.ofSeconds(150);
    /** So long nothing more must come before it counts as the end: delayed and retried messages wait a second each. */
    private static final long QUIET_MS = 5_000;
    /** The last delayed message that is delivered at all is due so long after the last send (level 3). */
    private static final long LAST_DELAY_MS = 10_000;

    private final String prefix;
    private final List<String> topics;

    Consumption(String prefix, List<String> topics) {
        this.prefix = prefix;
        this.topics = topics;
    }

    void run(Side side) throws Exception {
        List<Seen> all = new ArrayList<>();
        all.add(start(side, "push-all", "*", 0));
        all.add(start(side, "push-red", "red || blue", 0));
        all.add(start(side, "push-failing", "*", 2));
        all.add(startOrdered(side, "push-ordered", 0));
        all.add(startOrdered(side, "push-ordered-failing", 1));
        for (Seen seen : all) {
            Await.until(seen.name + " has no more to do", BOUND, () -> seen.isQuiet() && hasCommitted(side, seen.name));
            seen.report(side);
        }
        for (Seen seen : all) {
            commits(side, seen.name);
        }
    }

    /** Groups whose messages end in retry and dead letter topics. */
    static List<String> failingGroups(String prefix) {
        return List.of(prefix + "push-failing", prefix + "push-ordered-failing");
    }

    /** A consumer of which nothing comes may also not have begun yet, or stand still for a moment. */
    private boolean hasCommitted(Side side, String name) throws Exception {
        for (String topic : topics) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                String end = end(side, topic, queue);
                if (!end.equals("0") && !end.equals(committed(side, name, topic, queue))) {
                    return false;
                }
            }
        }
        return true;
    }

    /** A group that has consumed everything says so, queue by queue. */
    private void commits(Side side, String name) throws Exception {
        for (String topic : topics) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                side.see(name + " committed " + topic + ":" + queue, end(side, topic, queue));
            }
        }
    }

    private static String end(Side side, String topic, int queue) throws Exception {
        Map<String, String> fields = Map.of("topic", topic, "queueId", String.valueOf(queue));
        return String.valueOf(side.look(30, fields).getExtFields().get("offset"));
    }

    private String committed(Side side, String name, String topic, int queue) throws Exception {
        Map<String, String> fields = Map.of("consumerGroup", prefix + name, "topic", topic, "queueId", String.valueOf(queue));
        return String.valueOf(side.look(14, fields).getExtFields().get("offset"));
    }

    /** Messages whose number is divisible by 5 fail, as often as {@code max} allows, and so end as dead letters. */
    private Seen start(Side side, String name, String tags, int max) throws Exception {
        Seen seen = new Seen(name, false, max);
        DefaultMQPushConsumer consumer = side.c.pushConsumer(prefix + name);
        consumer.setMaxReconsumeTimes(max);
        for (String topic : topics) {
            consumer.subscribe(topic, tags);
        }
        consumer.registerMessageListener((MessageListenerConcurrently) (batch, context) -> {
            boolean fails = false;
            for (MessageExt message : batch) {
                seen.add(message);
                fails |= max > 0 && number(message) % 5 == 0;
            }
            return fails ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        return seen;
    }

    /** The same in order; messages that fail hold up their queue until they are given up. */
    private Seen startOrdered(Side side, String name, int max) throws Exception {
        Seen seen = new Seen(name, true, max);
        DefaultMQPushConsumer consumer = side.c.pushConsumer(prefix + name);
        consumer.setMaxReconsumeTimes(max);
        consumer.setSuspendCurrentQueueTimeMillis(10);
        for (String topic : topics) {
            consumer.subscribe(topic, "*");
        }
        consumer.registerMessageListener((MessageListenerOrderly) (batch, context) -> {
            batch.forEach(seen::add);
            boolean fails = max > 0 && batch.stream().anyMatch(message -> number(message) % 5 == 0);
            return fails ? ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT : ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        return seen;
    }

    private static int number(MessageExt message) {
        String key = message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
        return key == null ? 1 : Integer.parseInt(key.substring(key.lastIndexOf('-') + 1));
    }

    /** What one consumer was given. */
    private static final class Seen {
        private final String name;
        private final boolean inOrder;
        private final int max;
        /** Messages that failed, and may come again. */
        private final Map<String, Integer> retries = new TreeMap<>();
        private final Map<String, List<String>> byPlace = new TreeMap<>();
        private final long start = System.nanoTime();
        private long last = start;

        Seen(String name, boolean inOrder, int max) {
            this.name = name;
            this.max = max;
            this.inOrder = inOrder;
        }

        synchronized void add(MessageExt message) {
            last = System.nanoTime();
            if (max > 0 && number(message) % 5 == 0) {
                retries.merge(message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX), 1, Integer::sum);
            }
            boolean isLate = message.getTopic().endsWith(Workload.LATE);
            String place = inOrder && !isLate ? message.getTopic() + ":" + message.getQueueId()
                : message.getTopic() + " " + message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
            // Retried messages come from the retry topic, where their order is that of failure.
            boolean hasPlace = message.getReconsumeTimes() == 0 && !isLate;
            byPlace.computeIfAbsent(place, p -> new ArrayList<>())
                .add(hasPlace ? Texts.message(message) : Texts.withoutPlace(message));
        }

        synchronized boolean isQuiet() {
            long now = System.nanoTime();
            return now - last > QUIET_MS * 1_000_000
                && now - start > (LAST_DELAY_MS + QUIET_MS) * 1_000_000
                && retries.values().stream().allMatch(times -> times > max);
        }

        synchronized void report(Side side) {
            byPlace.forEach((place, messages) -> side.see(name + " " + place, String.join("\n    ", messages)));
        }
    }
}
