package interop.diff;

import interop.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** DefaultLitePullConsumer: assigned queues with seeks, pauses and commits; subscriptions by tag and by conditions. */
final class PullConsumers {
    private static final Duration BOUND = Duration.ofSeconds(90);
    private static final int SEEKS = 4;
    /** So long a poll that waits for nothing does. */
    private static final long POLL_MS = 300;

    private final String prefix;
    private final List<String> topics;
    private final List<Seek> seeks = new ArrayList<>();

    /** How one queue goes on, and whether another one is paused meanwhile. */
    private record Seek(int queue, int how, int percent, boolean pauses) {
    }

    PullConsumers(String prefix, List<String> topics, Random random) {
        this.prefix = prefix;
        this.topics = topics;
        for (int i = 0; i < SEEKS; i++) {
            seeks.add(new Seek(random.nextInt(Workload.QUEUES), random.nextInt(4), random.nextInt(100), random.nextBoolean()));
        }
    }

    void run(Side side) throws Exception {
        assigned(side);
        subscribed(side, "pull-red", "red || blue", false);
        subscribed(side, "pull-sql", "number > 50 OR number IS NULL", true);
        successor(side);
    }

    private void assigned(Side side) throws Exception {
        String topic = topics.get(0);
        DefaultLitePullConsumer consumer = side.c.litePullConsumer(prefix + "pull-assigned");
        consumer.start();
        TreeSet<MessageQueue> queues = new TreeSet<>();
        Await.until("queues of " + topic, () -> queues.addAll(consumer.fetchMessageQueues(topic)));
        side.see("queues of " + topic, queues.toString());
        Map<MessageQueue, Long> ends = new TreeMap<>();
        Reading reading = new Reading(side, prefix + "reader", false);
        for (MessageQueue queue : queues) {
            ends.put(queue, (long) reading.queue(topic, queue.getQueueId(), "*").messages().size());
        }
        consumer.assign(queues);
        Polled first = new Polled(consumer);
        first.until(ends);
        first.report(side, "assigned");
        committed(side, consumer, "assigned", ends);
        int number = 0;
        for (Seek seek : seeks) {
            MessageQueue queue = new ArrayList<>(queues).get(seek.queue);
            MessageQueue other = new ArrayList<>(queues).get((seek.queue + 1) % queues.size());
            String name = "assigned " + number++ + " " + seek;
            long end = ends.get(queue);
            long to = switch (seek.how) {
                case 0 -> 0;
                case 1 -> end;
                default -> end * seek.percent / 100;
            };
            if (seek.pauses) {
                consumer.pause(List.of(other));
                consumer.seek(other, 0);
            }
            switch (seek.how) {
                case 0 -> consumer.seekToBegin(queue);
                case 1 -> consumer.seekToEnd(queue);
                default -> consumer.seek(queue, to);
            }
            Polled polled = new Polled(consumer);
            polled.until(Map.of(queue, end - to));
            polled.rest();
            polled.report(side, name);
            if (seek.pauses) {
                consumer.resume(List.of(other));
                Polled resumed = new Polled(consumer);
                resumed.until(Map.of(other, ends.get(other)));
                resumed.report(side, name + " resumed");
            }
            for (long time : List.of(0L, System.currentTimeMillis() + 3_600_000)) {
                side.see(name + " by time " + (time == 0), String.valueOf(consumer.offsetForTimestamp(queue, time)));
            }
        }
        committed(side, consumer, "assigned again", ends);
        consumer.shutdown();
    }

    /** What the consumer has consumed is committed, and the broker and a consumer say so. */
    private void committed(Side side, DefaultLitePullConsumer consumer, String name, Map<MessageQueue, Long> ends) throws Exception {
        for (Map.Entry<MessageQueue, Long> end : ends.entrySet()) {
            consumer.commitSync(Map.of(end.getKey(), end.getValue()), true);
            Await.until("commit of " + end, BOUND, () -> consumer.committed(end.getKey()) == end.getValue());
            side.see(name + " committed " + end.getKey().getQueueId(), String.valueOf(consumer.committed(end.getKey())));
        }
    }

    private void subscribed(Side side, String name, String expression, boolean bySql) throws Exception {
        DefaultLitePullConsumer consumer = side.c.litePullConsumer(prefix + name);
        for (String topic : topics) {
            if (bySql) {
                consumer.subscribe(topic, MessageSelector.bySql(expression));
            } else {
                consumer.subscribe(topic, expression);
            }
        }
        consumer.start();
        Polled polled = new Polled(consumer);
        // A queue at whose end nothing matches is committed up to the last one that does.
        Await.until(name + " has no more to do", BOUND, () -> polled.poll() == 0 && polled.isQuiet());
        polled.report(side, name);
        consumer.commitSync();
        consumer.shutdown();
        for (String topic : topics) {
            for (int queue = 0; queue < Workload.QUEUES; queue++) {
                Map<String, String> fields = Map.of("consumerGroup", prefix + name, "topic", topic, "queueId", String.valueOf(queue));
                side.see(name + " committed " + topic + ":" + queue, Texts.answer(side.ask(14, fields, null)));
            }
        }
    }

    /** Another one goes on where the first was, and there is nothing more. */
    private void successor(Side side) throws Exception {
        DefaultLitePullConsumer consumer = side.c.litePullConsumer(prefix + "pull-assigned");
        consumer.subscribe(topics.get(0), "*");
        consumer.start();
        Await.until("all queues", BOUND, () -> consumer.assignment().size() == Workload.QUEUES);
        Polled polled = new Polled(consumer);
        polled.rest();
        polled.report(side, "successor");
    }

    /** What came by polls, in the order of each queue. */
    private static final class Polled {
        private static final int QUIET_MS = 2_000;

        private final DefaultLitePullConsumer consumer;
        private final Map<String, List<String>> byQueue = new TreeMap<>();
        private long last = System.nanoTime();

        Polled(DefaultLitePullConsumer consumer) {
            this.consumer = consumer;
        }

        int poll() {
            List<MessageExt> found = consumer.poll(POLL_MS);
            for (MessageExt message : found) {
                last = System.nanoTime();
                byQueue.computeIfAbsent(message.getTopic() + ":" + message.getQueueId(), q -> new ArrayList<>()).add(Texts.message(message));
            }
            return found.size();
        }

        void until(Map<MessageQueue, Long> counts) {
            Await.until("polled " + counts, BOUND, () -> {
                poll();
                return counts.entrySet().stream().allMatch(e -> count(e.getKey()) >= e.getValue());
            });
        }

        private int count(MessageQueue queue) {
            return byQueue.getOrDefault(queue.getTopic() + ":" + queue.getQueueId(), List.of()).size();
        }

        boolean isQuiet() {
            return System.nanoTime() - last > QUIET_MS * 1_000_000L;
        }

        /** What may still come. */
        void rest() {
            while (poll() > 0) {
                // There may be more.
            }
        }

        void report(Side side, String name) {
            side.see(name + " queues", byQueue.keySet().toString());
            byQueue.forEach((queue, messages) -> side.see(name + " " + queue, String.join("\n    ", messages)));
        }
    }
}
