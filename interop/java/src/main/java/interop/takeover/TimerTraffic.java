package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Recall;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Messages with times of delivery of their own: some due while one broker takes over from the other, some after, some
 * recalled by the one that has them, some by the one after it.
 */
final class TimerTraffic {
    static final String TOPIC = "takeover-timers";
    private static final int EACH = 12;
    /** While this broker still runs, while none does, and when the next one has come. */
    private static final long FIRST_MS = 4_000;
    private static final long STEP_MS = 4_000;
    /** A Java broker takes 20 s to stop; so long after the send the next one must have started, on a loaded machine, and been asked. */
    private static final long RECALLED_MS = 75_000;

    /** So late a message may be, when a broker is there: a lost slot would come with the next one or never, not within this. */
    private static final long LATE_MS = 20_000;

    private final Case c;
    /** When this turn began; its broker was there then. */
    private final long began = System.currentTimeMillis();
    /** Recall handles for the turn after this one. */
    private final Path handles;

    TimerTraffic(Case c, Path handles) {
        this.c = c;
        this.handles = handles;
    }

    private static Message timed(String key, String property, long value) {
        Message message = new Message(TOPIC, "", key, "timed".getBytes());
        MessageAccessor.putProperty(message, property, Long.toString(value));
        return message;
    }

    void send(int turn) throws Exception {
        DefaultMQProducer producer = c.producer();
        long now = System.currentTimeMillis();
        for (int i = 0; i < EACH; i++) {
            long at = now + FIRST_MS + i * STEP_MS;
            // Whole seconds are where slots meet.
            at = i % 3 == 0 ? (at + 999) / 1_000 * 1_000 : at;
            Case.sendOk(producer, timed("at-" + i + "-" + turn, "TIMER_DELIVER_MS", at));
            Case.sendOk(producer, timed("after-" + i + "-" + turn, "TIMER_DELAY_MS", FIRST_MS + i * STEP_MS));
        }
        List<String> left = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            long at = (now + RECALLED_MS) / 1_000 * 1_000 + i * 500L;
            SendResult here = producer.send(timed("recalled-here-" + i + "-" + turn, "TIMER_DELIVER_MS", at));
            Recall.recall(producer, TOPIC, Recall.handleOf(here));
            left.add(Recall.handleOf(producer.send(timed("recalled-there-" + i + "-" + turn, "TIMER_DELIVER_MS", at))));
        }
        Case.sendOk(producer, timed("last-" + turn, "TIMER_DELIVER_MS", now + RECALLED_MS + 3_000));
        Files.write(handles, left);
    }

    /** First of all in a turn: what is recalled is not due yet. */
    void recall() throws Exception {
        DefaultMQProducer producer = c.producer();
        for (String handle : Files.readAllLines(handles)) {
            Recall.recall(producer, TOPIC, handle);
        }
    }

    /**
     * What the broker before this one was given comes, at its time and once.
     *
     * @param mayComeTwice so many may be delivered again
     */
    void check(int earlier, int mayComeTwice) throws Exception {
        String suffix = "-" + earlier;
        Map<String, List<MessageExt>> delivered = deliveredUntil("last" + suffix, suffix);
        Check.equal(2 * EACH + 1, delivered.size(), "timers of turn " + earlier + " that came: " + delivered.keySet());
        int twice = 0;
        for (var entry : delivered.entrySet()) {
            Check.that(!entry.getKey().startsWith("recalled"), entry.getKey() + " came, but was recalled");
            twice += entry.getValue().size() - 1;
            for (MessageExt message : entry.getValue()) {
                long early = due(message) - message.getStoreTimestamp();
                Check.that(early <= 0, entry.getKey() + " was delivered " + early + " ms before its time");
                long late = message.getStoreTimestamp() - Math.max(due(message), began);
                Check.that(late <= LATE_MS, entry.getKey() + " was delivered " + late + " ms after its time, with a broker to do it");
            }
        }
        Check.that(twice <= mayComeTwice, "timers of turn " + earlier + " delivered again: " + twice);
    }

    private static long due(MessageExt message) {
        String at = message.getProperty("TIMER_DELIVER_MS");
        return at != null ? Long.parseLong(at) : message.getBornTimestamp() + Long.parseLong(message.getProperty("TIMER_DELAY_MS"));
    }

    /** Reads on until {@code last} has come. */
    private Map<String, List<MessageExt>> deliveredUntil(String last, String suffix) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer("takeover-timers-reader-" + suffix);
        MessageQueue queue = Cluster.queue(TOPIC, 0);
        Map<String, List<MessageExt>> found = new TreeMap<>();
        long[] next = {0};
        Await.until(last + " is delivered", Duration.ofSeconds(125), () -> {
            while (next[0] < reader.maxOffset(queue)) {
                var result = reader.pull(queue, "*", next[0], 32);
                next[0] = result.getNextBeginOffset();
                if (result.getMsgFoundList() != null) {
                    result.getMsgFoundList().stream().filter(m -> m.getKeys().endsWith(suffix))
                        .forEach(m -> found.computeIfAbsent(m.getKeys(), key -> new ArrayList<>()).add(m));
                }
            }
            return found.containsKey(last);
        });
        reader.shutdown();
        return found;
    }
}
