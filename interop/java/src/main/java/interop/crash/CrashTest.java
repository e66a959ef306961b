package interop.crash;

import interop.Await;
import interop.Case;
import interop.Cluster;
import interop.crash.History.Claim;
import java.time.Duration;
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
 * Kills the broker again and again under load and checks what it promised.
 * System properties: {@code crash.rounds}, {@code crash.seed}, {@code interop.offsets}.
 */
public final class CrashTest {
    private static final int QUEUES = 8;
    private static final String TOPIC = "crash";
    private static final String PUSH_GROUP = "crash-push";
    private static final String COMMIT_GROUP = "crash-commit";
    private static final int ALIVE_MIN_MS = 200;
    private static final int ALIVE_MAX_MS = 2500;

    private final int rounds = Integer.getInteger("crash.rounds", 50);
    private final Random random = new Random(Long.getLong("crash.seed", System.nanoTime()));
    private final boolean acknowledgedOffsetsStay = !"persisted".equals(System.getProperty("interop.offsets"));
    private final Cluster cluster = Cluster.named("main");
    private final History history = new History(QUEUES);
    /** The smallest offset that the broker may name after a restart, per queue. */
    private final long[] floor = new long[QUEUES];
    private long slowestRestartMs;

    public static void main(String[] args) throws Exception {
        boolean good = new CrashTest().run();
        Cluster.closeAll();
        System.exit(good ? 0 : 1);
    }

    private boolean run() throws Exception {
        cluster.createTopic(TOPIC, QUEUES);
        DefaultMQProducer producer = producer();
        DefaultMQPushConsumer push = pushConsumer();
        DefaultMQPullConsumer pull = pullConsumer();
        Committer committer = new Committer(pull, TOPIC, QUEUES, history);
        Writers writers = new Writers(producer, TOPIC, QUEUES, history);
        try (committer; writers) {
            writers.start();
            committer.start();
            for (int round = 1; round <= rounds; round++) {
                round(round, committer);
            }
        }
        System.out.printf("%d rounds, %d messages acknowledged, %d sends without an answer, %d delivered again, slowest restart %d ms%n",
            rounds, history.acknowledgedCount(), writers.failures(), history.redelivered(), slowestRestartMs);
        awaitConsumed();
        new Readback(pull, TOPIC, QUEUES, history).check();
        boolean good = history.report();
        push.shutdown();
        pull.shutdown();
        producer.shutdown();
        return good;
    }

    private void round(int round, Committer committer) throws Exception {
        // Not a wait for anything: the moment of the kill has to be random.
        Thread.sleep(ALIVE_MIN_MS + random.nextInt(ALIVE_MAX_MS - ALIVE_MIN_MS));
        cluster.servers("stop-broker", "kill");
        // No update can be acknowledged any more, so this is all that was.
        committer.pause();
        raiseFloor(committer);
        long start = System.nanoTime();
        // The later part of the rounds acknowledges only what is synced.
        String flush = round * 10 > rounds * 6 ? "SYNC_FLUSH" : "ASYNC_FLUSH";
        cluster.servers("start-broker", "flushDiskType=" + flush);
        slowestRestartMs = Math.max(slowestRestartMs, (System.nanoTime() - start) / 1_000_000);
        for (int queue = 0; queue < QUEUES; queue++) {
            checkOffset(round, queue, committer);
        }
        committer.resume();
        long before = history.acknowledgedCount();
        Await.until("sends are acknowledged again after round " + round, () -> history.acknowledgedCount() > before);
        if (round % 10 == 0) {
            System.out.printf("round %d: %d messages acknowledged (%s)%n", round, history.acknowledgedCount(), flush);
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
            Await.until("everything is consumed", Duration.ofSeconds(90), () -> history.notConsumed() == 0);
        } catch (AssertionError e) {
            history.violation(Claim.ACKNOWLEDGED_IS_CONSUMED, history.notConsumed() + " messages were not delivered");
        }
    }

    private DefaultMQProducer producer() throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("crash-producer");
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
        // A query makes the client remember what the broker said, and its own rounds would commit that again
        // over what the committer has committed since.
        pull.setPersistConsumerOffsetInterval(Integer.MAX_VALUE);
        pull.start();
        pull.fetchSubscribeMessageQueues(TOPIC);
        return pull;
    }
}
