package interop.crash;

import interop.Await;
import interop.Cluster;
import java.util.Arrays;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Commits growing offsets with the synchronous form of the update request, and remembers those that
 * the broker acknowledged: they must survive a kill.
 */
final class Committer implements AutoCloseable {
    private static final int PAUSE_MS = 10;

    private final DefaultMQPullConsumer consumer;
    private final String topic;
    private final History history;
    private final long[] acknowledged;
    private final Thread thread = new Thread(this::run, "committer");
    private boolean paused;
    private volatile boolean stopped;

    Committer(DefaultMQPullConsumer consumer, String topic, int queueCount, History history) {
        this.consumer = consumer;
        this.topic = topic;
        this.history = history;
        this.acknowledged = new long[queueCount];
    }

    void start() {
        thread.start();
    }

    private void run() {
        try {
            for (int queue = 0; !stopped; queue = (queue + 1) % acknowledged.length) {
                commit(queue);
                Thread.sleep(PAUSE_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void commit(int queueId) throws InterruptedException {
        if (paused) {
            return;
        }
        long offset = history.acknowledgedEnd(queueId);
        try {
            consumer.getDefaultMQPullConsumerImpl().getOffsetStore()
                .updateConsumeOffsetToBroker(Cluster.queue(topic, queueId), offset, false);
            acknowledged[queueId] = offset;
        } catch (InterruptedException e) {
            throw e;
        } catch (Exception e) {
            // The broker is away: whether it has taken the offset is not known.
        }
    }

    /** Nothing is committed between this and {@link #resume}, so that a restarted broker shows what it kept. */
    synchronized void pause() {
        paused = true;
    }

    synchronized void resume() {
        paused = false;
    }

    /** A power cut took what lay behind {@code end}. */
    synchronized void lost(int queueId, long end) {
        acknowledged[queueId] = Math.min(acknowledged[queueId], end);
    }

    synchronized long[] acknowledged() {
        return Arrays.copyOf(acknowledged, acknowledged.length);
    }

    /** What the broker says now; -1: it knows nothing. */
    long queryBroker(int queueId) throws Exception {
        MessageQueue queue = Cluster.queue(topic, queueId);
        long offset = consumer.fetchConsumeOffset(queue, true);
        // The client remembers it, and would commit it again 10 s after its start, over what was committed since.
        consumer.getDefaultMQPullConsumerImpl().getOffsetStore().removeOffset(queue);
        return offset;
    }

    /** End of the queue, as soon as the broker answers. */
    long maxOffset(int queueId) {
        return Await.answer("the restarted broker tells the end of queue " + queueId,
            () -> consumer.maxOffset(Cluster.queue(topic, queueId)));
    }

    @Override
    public void close() throws InterruptedException {
        stopped = true;
        thread.join();
    }
}
