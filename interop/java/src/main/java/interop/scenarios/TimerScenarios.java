package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Recall;
import interop.Received;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages with a time of delivery of their own, and recalls. */
public final class TimerScenarios {
    private static final int ILLEGAL_OPERATION = 604;
    private static final int MESSAGE_ILLEGAL = 13;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("timer-properties", TimerScenarios::properties, "basic", "binary", "kill-all"),
        Scenario.of("timer-past", TimerScenarios::past, "kill-all"),
        Scenario.of("timer-too-far", TimerScenarios::tooFar, "kill-all"),
        Scenario.of("timer-many", TimerScenarios::many, "kill"),
        Scenario.of("timer-recall", TimerScenarios::recall, "binary", "kill-all"),
        Scenario.of("timer-recall-refused", TimerScenarios::recallRefused, "kill-all"),
        Scenario.of("timer-retried", TimerScenarios::retried, "kill-all"),
        Scenario.of("timer-restart-clean", c -> restart(c, "clean"), "exclusive"),
        Scenario.of("timer-restart-kill", c -> restart(c, "kill"), "exclusive"));

    private TimerScenarios() {
    }

    /** Notes when each message came. */
    private static final class Timed extends Received {
        private final Map<String, Long> at = new ConcurrentHashMap<>();

        @Override
        public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
            batch.forEach(m -> at.putIfAbsent(m.getKeys(), System.currentTimeMillis()));
            return super.consumeMessage(batch, context);
        }

        void checkNotEarly(Map<String, Long> due) {
            due.forEach((key, time) -> Check.that(at.get(key) >= time,
                key + " came " + (time - at.get(key)) + " ms before its time"));
        }

        /** The broker's own word: when it appended the message to its topic. */
        void checkNotStoredEarly(Map<String, Long> due) {
            due.forEach((key, time) -> Check.that(byKey(key).getStoreTimestamp() >= time,
                key + " was delivered " + (time - byKey(key).getStoreTimestamp()) + " ms before its time"));
        }
    }

    static Message timed(String topic, String key, String property, long value) {
        Message message = new Message(topic, "", key, key.getBytes(StandardCharsets.UTF_8));
        // The clients of version 4 have no method for it; brokers look at the property.
        MessageAccessor.putProperty(message, property, Long.toString(value));
        return message;
    }

    static void properties(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        Timed received = new Timed();
        c.startPush(c.freshName(), topic, "*", received);
        long now = System.currentTimeMillis();
        Map<String, Long> due = new HashMap<>();
        Case.sendOk(producer, timed(topic, "at", "TIMER_DELIVER_MS", now + 2_345));
        due.put("at", now + 2_345);
        Case.sendOk(producer, timed(topic, "ms", "TIMER_DELAY_MS", 1_500));
        due.put("ms", now + 1_500);
        Case.sendOk(producer, timed(topic, "sec", "TIMER_DELAY_SEC", 2));
        due.put("sec", now + 2_000);
        // With kills the sends may take longer than the messages have to wait.
        Check.that(received.count() == 0 || Kills.areOn(), "messages before their time: " + received.count());
        received.awaitExactly(due.keySet());
        received.checkNotEarly(due);
        received.checkNotStoredEarly(due);
        MessageExt at = received.byKey("at");
        Check.equal("at", new String(at.getBody(), StandardCharsets.UTF_8), "body");
        Check.equal(topic, at.getTopic(), "topic");
        Check.equal(topic, at.getProperty("REAL_TOPIC"), "REAL_TOPIC, which the broker leaves in");
        for (String property : List.of("TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS")) {
            Check.that(at.getProperty(property) != null, "the broker adds " + property);
        }
    }

    static void past(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        DefaultMQProducer producer = c.producer();
        Case.sendOk(producer, timed(topic, "past", "TIMER_DELIVER_MS", System.currentTimeMillis() - 10_000));
        Case.sendOk(producer, timed(topic, "zero", "TIMER_DELAY_MS", 0));
        received.awaitExactly(List.of("past", "zero"));
        Check.equal(null, received.byKey("past").getProperty("TIMER_OUT_MS"), "it never waited");
    }

    static void tooFar(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        producer.setRetryTimesWhenSendFailed(0);
        for (Message message : List.of(
            timed(topic, "days", "TIMER_DELAY_SEC", 4 * 24 * 3600),
            timed(topic, "years", "TIMER_DELIVER_MS", Long.MAX_VALUE))) {
            String said = Check.failsWithCode(MESSAGE_ILLEGAL, message.getKeys(), () -> producer.send(message));
            Check.that(said.contains("259200000ms"), "the limit is named: " + said);
        }
        Message illegal = new Message(topic, "", "word", "x".getBytes(StandardCharsets.UTF_8));
        MessageAccessor.putProperty(illegal, "TIMER_DELAY_MS", "soon");
        Check.failsWithCode(MESSAGE_ILLEGAL, "a word for a number", () -> producer.send(illegal));
    }

    static void many(Case c) throws Exception {
        String topic = c.freshTopic(4);
        DefaultMQProducer producer = c.producer();
        Timed received = new Timed();
        c.startPush(c.freshName(), topic, "*", received);
        Map<String, Long> due = new HashMap<>();
        long base = System.currentTimeMillis();
        for (int i = 0; i < 500; i++) {
            long at = base + 1_000 + (i * 37L) % 4_000;
            Case.sendOk(producer, timed(topic, "many-" + i, "TIMER_DELIVER_MS", at));
            due.put("many-" + i, at);
        }
        received.awaitExactly(due.keySet());
        received.checkNotEarly(due);
    }

    static void recall(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        List<String> stay = new ArrayList<>();
        // With kills it takes longer until all are recalled.
        long at = System.currentTimeMillis() + (Kills.areOn() ? 40_000 : 3_000);
        boolean canRecall = true;
        for (int i = 0; i < 20; i++) {
            // Whole seconds are where slots meet.
            long time = i % 4 == 0 ? (at / 1_000 + 1) * 1_000 : at + i;
            SendResult sent = Case.sendOk(producer, timed(topic, "m-" + i, "TIMER_DELIVER_MS", time));
            String handle = Recall.handleOf(sent);
            if (i % 2 == 0 || handle == null) {
                stay.add("m-" + i);
                canRecall &= handle != null;
                continue;
            }
            String recalled = Case.retried("recalled m-" + i, () -> Recall.recall(producer, topic, handle));
            Check.equal(sent.getMsgId(), recalled, "id of the recalled message");
        }
        SendResult whole = Case.sendOk(producer, timed(topic, "whole", "TIMER_DELIVER_MS", (at / 1_000 + 1) * 1_000));
        if (canRecall) {
            Case.retried("recalled the last one", () -> Recall.recall(producer, topic, Recall.handleOf(whole)));
        } else {
            stay.add("whole");
        }
        stay.add("last");
        Case.sendOk(producer, timed(topic, "last", "TIMER_DELIVER_MS", at + 3_000));
        received.awaitExactly(stay);
    }

    static void recallRefused(Case c) throws Exception {
        String topic = c.freshTopic(1);
        DefaultMQProducer producer = c.producer();
        Map<String, String> wrong = new HashMap<>();
        long soon = System.currentTimeMillis() + 60_000;
        wrong.put("another topic", "v1 other broker-a " + soon + " K");
        wrong.put("another version", "v9 " + topic + " broker-a " + soon + " K");
        wrong.put("a time that has passed", "v1 " + topic + " broker-a " + (soon - 120_000) + " K");
        wrong.put("a time too far away", "v1 " + topic + " broker-a " + (soon + 400_000_000) + " K");
        for (var entry : wrong.entrySet()) {
            String handle = Base64.getUrlEncoder().encodeToString(entry.getValue().getBytes(StandardCharsets.UTF_8));
            boolean canRecall = Case.retried(entry.getKey(), () -> refusesToRecall(producer, topic, handle, entry.getKey()));
            if (!canRecall) {
                return;
            }
        }
    }

    /** False where the client cannot recall. */
    private static boolean refusesToRecall(DefaultMQProducer producer, String topic, String handle, String what) throws Exception {
        try {
            Check.equal(null, Recall.recall(producer, topic, handle), "recalled with " + what);
            return false;
        } catch (MQBrokerException e) {
            Check.equal(ILLEGAL_OPERATION, e.getResponseCode(), "code for " + what);
            return true;
        } catch (Exception e) {
            boolean isOfHandle = String.valueOf(e.getMessage()).contains("handle");
            if (!isOfHandle && Kills.areOn()) {
                throw e;
            }
            // The client itself reads the handle before it asks.
            Check.that(isOfHandle, what + ": " + e);
            return true;
        }
    }

    /** What waited and then failed is tried again by its level, not by its time. */
    static void retried(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Received received = new Received() {
            @Override
            public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> batch, ConsumeConcurrentlyContext context) {
                super.consumeMessage(batch, context);
                boolean again = batch.stream().anyMatch(m -> m.getReconsumeTimes() == 0);
                return again ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
        };
        c.startPush(c.freshName(), topic, "*", received);
        Case.sendOk(c.producer(), timed(topic, "again", "TIMER_DELAY_MS", 1_200));
        Await.until("the message comes twice", () -> received.allByKey("again").stream().anyMatch(m -> m.getReconsumeTimes() == 1));
        Check.times(2, received.allByKey("again").size(), "deliveries");
    }

    /** Messages that wait while the broker is stopped or killed come at their time, or at once after it. */
    static void restart(Case c, String how) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        Timed received = new Timed();
        c.startPush(c.freshName(), topic, "*", received);
        Map<String, Long> due = new HashMap<>();
        long base = System.currentTimeMillis();
        for (int i = 0; i < 100; i++) {
            long at = base + 500 + i * 200L;
            Case.sendOk(producer, timed(topic, how + "-" + i, "TIMER_DELIVER_MS", at));
            due.put(how + "-" + i, at);
        }
        Await.until("some came", () -> received.count() > 3);
        c.cluster.restartBroker(how);
        Await.until("all came", Duration.ofSeconds(90), () -> received.keys().containsAll(due.keySet()));
        received.checkNotEarly(due);
        if (!"java".equals(System.getenv("SERVER"))) {
            // A killed Java broker delivers its last second again; ours what its last batch had not noted.
            int twice = received.count() - due.size();
            Check.that(twice <= ("kill".equals(how) ? 20 : 5), "delivered again: " + twice);
        }
    }
}
