package interop.crash;

import interop.Await;
import interop.Cluster;
import interop.crash.History.Claim;
import java.time.Duration;
import java.util.BitSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Sends delayed messages: each that was acknowledged is delivered, and a kill repeats few of them. */
final class DelayWriter implements AutoCloseable {
    private static final int WRITER = Writers.WRITERS;
    private static final int LEVELS = 3;
    private static final int PAUSE_MS = 5;
    /** What a broker delivers before it notes how far it is; a Java broker notes that every ten seconds. */
    private static final int REPEATED_PER_KILL_MAX = 256 * LEVELS;

    private final DefaultMQProducer producer;
    private final String topic;
    private final int queueCount;
    private final History history;
    private final BitSet acknowledged = new BitSet();
    private final BitSet delivered = new BitSet();
    private final Thread thread = new Thread(this::run, "writer-delay");
    private long repeated;
    private volatile boolean stopped;

    DelayWriter(DefaultMQProducer producer, String topic, int queueCount, History history) {
        this.producer = producer;
        this.topic = topic;
        this.queueCount = queueCount;
        this.history = history;
    }

    void start() {
        thread.start();
    }

    private void run() {
        for (int sequence = 0; !stopped; sequence++) {
            Message message = new Message(topic, "", Ack.key(Ack.id(WRITER, sequence)), Ack.body(Ack.id(WRITER, sequence)));
            message.setDelayTimeLevel(1 + sequence % LEVELS);
            try {
                MessageQueue queue = Cluster.queue(topic, sequence % queueCount);
                if (producer.send(message, queue).getSendStatus() == SendStatus.SEND_OK) {
                    acknowledged.set(sequence);
                }
                Thread.sleep(PAUSE_MS);
            } catch (Exception e) {
                // The broker is away: whether it has the message is not known.
            }
        }
    }

    /** After {@link #close}: waits until all are delivered, and reads them. */
    void check(DefaultMQPullConsumer consumer, int kills, boolean repeatsAreBounded) throws Exception {
        long[] next = new long[queueCount];
        try {
            Await.until("delayed messages are delivered", Duration.ofSeconds(180), () -> {
                for (int queue = 0; queue < queueCount; queue++) {
                    next[queue] = read(consumer, Cluster.queue(topic, queue), next[queue]);
                }
                return missing().isEmpty();
            });
        } catch (AssertionError e) {
            missing().stream().forEach(sequence ->
                history.violation(Claim.DELAYED_IS_DELIVERED, "message " + sequence + " was not delivered"));
        }
        if (repeatsAreBounded && repeated > (long) kills * REPEATED_PER_KILL_MAX) {
            history.violation(Claim.DELAYED_IS_DELIVERED, repeated + " were delivered again in " + kills + " kills");
        }
        System.out.printf("%d delayed messages acknowledged, %d delivered again%n", acknowledged.cardinality(), repeated);
    }

    private BitSet missing() {
        BitSet missing = (BitSet) acknowledged.clone();
        missing.andNot(delivered);
        return missing;
    }

    private long read(DefaultMQPullConsumer consumer, MessageQueue queue, long from) throws Exception {
        long next = from;
        while (next < consumer.maxOffset(queue)) {
            PullResult result = consumer.pull(queue, "*", next, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                return next;
            }
            for (MessageExt message : result.getMsgFoundList()) {
                int sequence = (int) Ack.sequence(Ack.parse(message.getKeys()));
                repeated += delivered.get(sequence) ? 1 : 0;
                delivered.set(sequence);
            }
            next = result.getNextBeginOffset();
        }
        return next;
    }

    @Override
    public void close() throws InterruptedException {
        stopped = true;
        thread.join();
    }
}
