package interop.crash;

import interop.Cluster;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The load: synchronous writers, whose messages must keep their order, one that sends batches, and one that keeps
 * many requests in flight. Every attempt is a new message: after a failed send nobody knows whether it is stored.
 */
final class Writers implements AutoCloseable {
    static final int SYNC_WRITERS = 4;
    static final int BATCH_WRITER = SYNC_WRITERS;
    static final int ASYNC_WRITER = SYNC_WRITERS + 1;
    static final int WRITERS = SYNC_WRITERS + 2;
    private static final int BATCH = 7;
    private static final int IN_FLIGHT = 32;
    private static final int TIMEOUT_MS = 3000;
    /** After a refused send, so that a dead broker does not cost a whole core. */
    private static final int PAUSE_MS = 5;

    private final DefaultMQProducer producer;
    private final String topic;
    private final int queueCount;
    private final History history;
    private final List<Thread> threads = new ArrayList<>();
    private final AtomicLong failures = new AtomicLong();
    /** One for each request that may be under way; whoever has all of them has stopped the load. Fair, so that it can. */
    private final Semaphore running = new Semaphore(SYNC_WRITERS + 1 + IN_FLIGHT, true);
    private volatile boolean stopped;

    Writers(DefaultMQProducer producer, String topic, int queueCount, History history) {
        this.producer = producer;
        this.topic = topic;
        this.queueCount = queueCount;
        this.history = history;
    }

    void start() {
        for (int i = 0; i < SYNC_WRITERS; i++) {
            int writer = i;
            threads.add(new Thread(() -> writeSync(writer), "writer-" + i));
        }
        threads.add(new Thread(this::writeBatches, "writer-batches"));
        threads.add(new Thread(this::writeAsync, "writer-async"));
        threads.forEach(Thread::start);
    }

    long failures() {
        return failures.get();
    }

    /** Returns when no request is under way, and lets none begin until {@link #resume}. */
    void pause() {
        running.acquireUninterruptibly(SYNC_WRITERS + 1 + IN_FLIGHT);
    }

    void resume() {
        running.release(SYNC_WRITERS + 1 + IN_FLIGHT);
    }

    private Message message(long id) {
        return new Message(topic, "", Ack.key(id), Ack.body(id));
    }

    private MessageQueue queue(long sequence, int writer) {
        return Cluster.queue(topic, (int) ((sequence + writer) % queueCount));
    }

    private void writeSync(int writer) {
        for (long sequence = 0; !stopped; sequence++) {
            long id = Ack.id(writer, sequence);
            running.acquireUninterruptibly();
            try {
                note(id, producer.send(message(id), queue(sequence, writer), TIMEOUT_MS));
            } catch (Exception e) {
                refused();
            } finally {
                running.release();
            }
        }
    }

    private void writeBatches() {
        for (long sequence = 0; !stopped; sequence += BATCH) {
            List<Message> batch = new ArrayList<>();
            for (int i = 0; i < BATCH; i++) {
                batch.add(message(Ack.id(BATCH_WRITER, sequence + i)));
            }
            running.acquireUninterruptibly();
            try {
                noteBatch(sequence, producer.send(batch, queue(sequence, BATCH_WRITER), TIMEOUT_MS));
            } catch (Exception e) {
                refused();
            } finally {
                running.release();
            }
        }
    }

    private void writeAsync() {
        for (long sequence = 0; !stopped; sequence++) {
            long id = Ack.id(ASYNC_WRITER, sequence);
            running.acquireUninterruptibly();
            try {
                producer.send(message(id), queue(sequence, ASYNC_WRITER), new SendCallback() {
                    @Override
                    public void onSuccess(SendResult result) {
                        note(id, result);
                        running.release();
                    }

                    @Override
                    public void onException(Throwable e) {
                        refused();
                        running.release();
                    }
                }, TIMEOUT_MS);
            } catch (Exception e) {
                refused();
                running.release();
            }
        }
    }

    private void note(long id, SendResult result) {
        if (result.getSendStatus() == SendStatus.SEND_OK) {
            history.acknowledged(result.getMessageQueue().getQueueId(), result.getQueueOffset(), id);
        } else {
            failures.incrementAndGet();
        }
    }

    /** The broker answers with the offset of the first; the others follow it. */
    private void noteBatch(long sequence, SendResult result) {
        if (result.getSendStatus() != SendStatus.SEND_OK) {
            failures.incrementAndGet();
            return;
        }
        for (int i = 0; i < BATCH; i++) {
            history.acknowledged(result.getMessageQueue().getQueueId(), result.getQueueOffset() + i, Ack.id(BATCH_WRITER, sequence + i));
        }
    }

    private void refused() {
        failures.incrementAndGet();
        try {
            Thread.sleep(PAUSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() throws InterruptedException {
        stopped = true;
        for (Thread thread : threads) {
            thread.join();
        }
        pause();
    }
}
