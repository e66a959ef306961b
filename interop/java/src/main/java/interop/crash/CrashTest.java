package interop.crash;

import interop.Await;
import interop.Case;
import interop.Cluster;
import interop.crash.History.Claim;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;

/**
 * Kills the broker, or cuts the power, again and again under load, and checks what was promised. System properties:
 *
 * <ul>
 * <li>{@code crash.rounds}, {@code crash.seed}, {@code interop.offsets}
 * <li>{@code crash.power=true}: the store is on {@code interop/faults/disk}, which loses what was not synced
 * <li>{@code crash.flush}: the broker's flushDiskType; without it both, one after the other. A power cut takes from
 * ASYNC_FLUSH what was not flushed: then only that is checked which was, and that nothing else is missing or damaged.
 * <li>{@code crash.expiry=true}: the broker deletes segments as soon as it may, so queues begin behind 0
 * </ul>
 */
public final class CrashTest {
    private static final int QUEUES = 8;
    private static final String TOPIC = "crash";
    private static final String PUSH_GROUP = "crash-push";
    private static final String COMMIT_GROUP = "crash-commit";
    private static final String DELAY_TOPIC = "crash-delay";
    private static final int DELAY_QUEUES = 2;
    private static final int ALIVE_MIN_MS = 200;
    private static final int ALIVE_MAX_MS = 2500;
    /** Every so many rounds the broker is killed once more, while it puts its store in order. */
    private static final int KILL_AT_START_EVERY = 3;
    private static final int START_MAX_MS = 40;

    private final int rounds = Integer.getInteger("crash.rounds", 50);
    private final Random random = new Random(Long.getLong("crash.seed", System.nanoTime()));
    private final boolean acknowledgedOffsetsStay = !"persisted".equals(System.getProperty("interop.offsets"));
    private final boolean powerCuts = Boolean.getBoolean("crash.power");
    private final String flush = System.getProperty("crash.flush", "");
    /** Acknowledged messages may be lost. */
    private final boolean lossy = powerCuts && "ASYNC_FLUSH".equals(flush);
    private final boolean expiry = Boolean.getBoolean("crash.expiry");
    private final Cluster cluster = Cluster.named("main");
    private final History history = new History(QUEUES);
    /** The smallest offset that the broker may name after a restart, per queue. */
    private final long[] floor = new long[QUEUES];
    private long slowestRestartMs;
    private long slowestFirstSendMs;
    private long lost;

    public static void main(String[] args) throws Exception {
        boolean good = new CrashTest().run();
        Cluster.closeAll();
        System.exit(good ? 0 : 1);
    }

    private boolean run() throws Exception {
        cluster.createTopic(TOPIC, QUEUES);
        cluster.createTopic(DELAY_TOPIC, DELAY_QUEUES);
        DefaultMQProducer producer = producer();
        DefaultMQPushConsumer push = pushConsumer();
        DefaultMQPullConsumer pull = pullConsumer();
        Committer committer = new Committer(pull, TOPIC, QUEUES, history);
        Writers writers = new Writers(producer, TOPIC, QUEUES, history);
        DelayWriter delayed = new DelayWriter(producer, DELAY_TOPIC, DELAY_QUEUES, history);
        TopicChurn topics = new TopicChurn(cluster, history);
        try (committer; writers; delayed; topics) {
            writers.start();
            committer.start();
            topics.start();
            if (!lossy && !expiry) {
                delayed.start();
            }
            for (int round = 1; round <= rounds; round++) {
                round(round, committer, writers);
            }
        }
        System.out.printf("%d rounds, %d messages acknowledged, %d sends without an answer, %d delivered again, "
                + "slowest restart %d ms, slowest from there to the first accepted send %d ms%n",
            rounds, history.acknowledgedCount(), writers.failures(), history.redelivered(), slowestRestartMs, slowestFirstSendMs);
        if (lossy) {
            System.out.printf("%d acknowledged messages were not flushed and lost%n", lost);
        } else {
            history.leaveUnchecked(Claim.FLUSHED_STAYS);
        }
        if (lossy || expiry) {
            history.leaveUnchecked(Claim.ACKNOWLEDGED_IS_CONSUMED, Claim.DELAYED_IS_DELIVERED);
        } else {
            awaitConsumed();
            delayed.check(pull, rounds * 2, acknowledgedOffsetsStay);
        }
        topics.check();
        new Readback(pull, TOPIC, QUEUES, history).check(expiry);
        boolean good = history.report();
        push.shutdown();
        pull.shutdown();
        producer.shutdown();
        return good;
    }

    private void round(int round, Committer committer, Writers writers) throws Exception {
        long[] flushed = lossy ? flushedEnds(writers) : new long[QUEUES];
        // Not a wait for anything: the moment of the kill has to be random.
        Thread.sleep(ALIVE_MIN_MS + random.nextInt(ALIVE_MAX_MS - ALIVE_MIN_MS));
        if (powerCuts) {
            cluster.disk("cut", Integer.toString(random.nextInt(1 << 30)));
        } else {
            cluster.servers("stop-broker", "kill");
        }
        // No update can be acknowledged any more, so this is all that was.
        committer.pause();
        raiseFloor(committer);
        if (lossy) {
            writers.pause();
        }
        if (!powerCuts && acknowledgedOffsetsStay && round % KILL_AT_START_EVERY == 0) {
            cluster.servers("start-and-kill-broker", Integer.toString(random.nextInt(START_MAX_MS)));
        }
        long start = System.nanoTime();
        String now = flushOf(round);
        cluster.servers("start-broker", "flushDiskType=" + now);
        slowestRestartMs = Math.max(slowestRestartMs, (System.nanoTime() - start) / 1_000_000);
        long before = history.acknowledgedCount();
        long ready = System.nanoTime();
        if (lossy) {
            takeLosses(round, flushed, committer);
            writers.resume();
        }
        Await.until("sends are acknowledged again after round " + round, () -> history.acknowledgedCount() > before);
        slowestFirstSendMs = Math.max(slowestFirstSendMs, (System.nanoTime() - ready) / 1_000_000);
        for (int queue = 0; queue < QUEUES; queue++) {
            checkOffset(round, queue, committer);
        }
        committer.resume();
        if (round % 10 == 0) {
            System.out.printf("round %d: %d messages acknowledged (%s)%n", round, history.acknowledgedCount(), now);
        }
    }

    /** The later part of the rounds acknowledges only what is synced. */
    private String flushOf(int round) {
        if (!flush.isEmpty()) {
            return flush;
        }
        return round * 10 > rounds * 6 ? "SYNC_FLUSH" : "ASYNC_FLUSH";
    }

    /** Ends of the queues at a moment at which the broker said that all was on the disk. */
    private long[] flushedEnds(Writers writers) throws Exception {
        writers.pause();
        Await.until("all is flushed", () -> "0 B".equals(cluster.unflushed()));
        long[] ends = new long[QUEUES];
        Arrays.setAll(ends, history::acknowledgedEnd);
        writers.resume();
        return ends;
    }

    /** After a power cut queues may be shorter, but not than what was flushed; offsets are given anew from there. */
    private void takeLosses(int round, long[] flushed, Committer committer) throws Exception {
        for (int queue = 0; queue < QUEUES; queue++) {
            long end = committer.maxOffset(queue);
            if (end < flushed[queue]) {
                history.violation(Claim.FLUSHED_STAYS,
                    "round " + round + " queue " + queue + " ends at " + end + ", flushed up to " + flushed[queue]);
            }
            lost += history.cutOff(queue, end);
            // An offset ends with its queue then: else its group would pass over what comes to lie behind it.
            floor[queue] = Math.min(floor[queue], end);
            committer.lost(queue, end);
        }
    }

    private void raiseFloor(Committer committer) throws Exception {
        // Whatever is in the broker's file must stay, with any broker.
        for (long[] entry : cluster.persistedOffsets(COMMIT_GROUP, TOPIC)) {
            floor[(int) entry[0]] = Math.max(floor[(int) entry[0]], entry[1]);
        }
        if (acknowledgedOffsetsStay) {
            long[] acknowledged = committer.acknowledged();
            for (int queue = 0; queue < QUEUES; queue++) {
                floor[queue] = Math.max(floor[queue], acknowledged[queue]);
            }
        }
    }

    private void checkOffset(int round, int queue, Committer committer) {
        long[] now = {-1};
        Await.until("the restarted broker answers", () -> {
            now[0] = committer.queryBroker(queue);
            // -2: the client could not ask.
            return now[0] != -2;
        });
        if (now[0] < floor[queue]) {
            history.violation(Claim.OFFSETS_NEVER_MOVE_BACK,
                "round " + round + " queue " + queue + ": " + now[0] + " after " + floor[queue]);
        }
    }

    private void awaitConsumed() {
        try {
            Await.until("everything is consumed", Duration.ofSeconds(180), () -> history.notConsumed() == 0);
        } catch (AssertionError e) {
            history.violation(Claim.ACKNOWLEDGED_IS_CONSUMED, history.notConsumed() + " messages were not delivered");
        }
    }

    private DefaultMQProducer producer() throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("crash-producer");
        // A message of which the answer was lost would be stored twice.
        producer.setRetryTimesWhenSendAsyncFailed(0);
        producer.setNamesrvAddr(cluster.namesrv);
        producer.setInstanceName(Case.freshInstance());
        producer.start();
        return producer;
    }

    private DefaultMQPushConsumer pushConsumer() throws Exception {
        DefaultMQPushConsumer push = new DefaultMQPushConsumer(PUSH_GROUP);
        push.setNamesrvAddr(cluster.namesrv);
        push.setInstanceName(Case.freshInstance());
        push.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        push.setPersistConsumerOffsetInterval(200);
        // A restarted broker knows nobody and refuses pulls until the next heartbeat.
        push.setHeartbeatBrokerInterval(500);
        push.setConsumeMessageBatchMaxSize(32);
        push.subscribe(TOPIC, "*");
        push.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(m -> history.consumed(m.getQueueId(), m.getQueueOffset()));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        push.start();
        return push;
    }

    private DefaultMQPullConsumer pullConsumer() throws Exception {
        DefaultMQPullConsumer pull = new DefaultMQPullConsumer(COMMIT_GROUP);
        pull.setNamesrvAddr(cluster.namesrv);
        pull.setInstanceName(Case.freshInstance());
        pull.setRegisterTopics(new HashSet<>(List.of(TOPIC)));
        pull.setHeartbeatBrokerInterval(500);
        // The client's own rounds are none of this test; the first comes after 10 s all the same (see the committer).
        pull.setPersistConsumerOffsetInterval(Integer.MAX_VALUE);
        pull.start();
        Await.answer("the route of " + TOPIC, () -> pull.fetchSubscribeMessageQueues(TOPIC));
        return pull;
    }
}
