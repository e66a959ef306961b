package interop.load;

import interop.Await;
import interop.Case;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Producers that know nothing of what happens to their cluster: each sends one message after the other, each again and again until
 * it is acknowledged, and notes all of it in the {@link Ledger}. Consumers are in {@link Readers}.
 */
public final class Load {
    // Writers' names begin so.
    static final String PLAIN = "plain";
    static final String ORDERED = "ordered";
    static final String LATE = "late";
    static final String TRANSACTION = "transaction";

    /** Level 1 of {@code messageDelayLevel}, which the brokers of the tests have at one second. */
    private static final int LATE_MS = 1_000;
    /** One of so many transactions is rolled back. */
    private static final int ROLLED_BACK_EVERY = 5;
    private static final int SEND_MS = 3_000;

    private final String namesrvs;
    private final Ledger ledger;
    private final List<Thread> writers = new ArrayList<>();
    private final List<DefaultMQProducer> producers = new ArrayList<>();
    private DefaultMQProducer producer;
    private volatile boolean stopped;

    public Load(String namesrvs, Ledger ledger) {
        this.namesrvs = namesrvs;
        this.ledger = ledger;
    }

    /** Sends one message; throws, or answers with another status, where it was not acknowledged. */
    private interface Sending {
        SendResult send(String key) throws Exception;
    }

    /** To any queue of the topic. */
    public void plain(String topic, int number, int pauseMs) throws Exception {
        DefaultMQProducer by = producer();
        write(PLAIN + number, topic, pauseMs, 0, true, key -> by.send(message(topic, key)));
    }

    /** To this queue only, so that what is sent later comes later. */
    public void ordered(MessageQueue queue, int number, int pauseMs) throws Exception {
        DefaultMQProducer by = producer();
        write(ORDERED + number, queue.getTopic(), pauseMs, 0, true, key -> by.send(message(queue.getTopic(), key), queue));
    }

    /** By delay level. */
    public void late(String topic, int number, int pauseMs) throws Exception {
        DefaultMQProducer by = producer();
        write(LATE + number, topic, pauseMs, LATE_MS, false, key -> {
            Message message = message(topic, key);
            message.setDelayTimeLevel(1);
            return by.send(message);
        });
    }

    /** Committed, now and then rolled back; whoever asks gets the same answer. */
    public void transactions(String topic, int number, int pauseMs) throws Exception {
        TransactionMQProducer by = new TransactionMQProducer(topic + "-transactional-" + number);
        by.setTransactionListener(new Decisions());
        start(by);
        write(TRANSACTION + number, topic, pauseMs, 0, false, key -> by.sendMessageInTransaction(message(topic, key), null));
    }

    private static Message message(String topic, String key) {
        return new Message(topic, "", key, ("body of " + key).getBytes(StandardCharsets.UTF_8));
    }

    private synchronized DefaultMQProducer producer() throws Exception {
        if (producer == null) {
            producer = new DefaultMQProducer("load-producer");
            start(producer);
        }
        return producer;
    }

    /** As an application has one, but that it asks for routes more often. Each attempt is this class's, so that it is noted. */
    private void start(DefaultMQProducer fresh) throws Exception {
        fresh.setNamesrvAddr(namesrvs);
        fresh.setInstanceName(Case.freshInstance());
        fresh.setPollNameServerInterval(1_000);
        fresh.setHeartbeatBrokerInterval(1_000);
        fresh.setSendMsgTimeout(SEND_MS);
        fresh.setRetryTimesWhenSendFailed(0);
        fresh.start();
        producers.add(fresh);
    }

    private void write(String writer, String topic, int pauseMs, int delayMs, boolean isPlaceTold, Sending sending) {
        Thread thread = new Thread(() -> {
            for (long sequence = 0; !stopped;) {
                if (attempt(Ledger.key(writer, sequence), topic, delayMs, isPlaceTold, sending)) {
                    sequence++;
                }
                try {
                    // Not a wait for anything: the rate of the load.
                    Thread.sleep(pauseMs);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }, writer);
        thread.setDaemon(true);
        writers.add(thread);
        thread.start();
    }

    private boolean attempt(String key, String topic, int delayMs, boolean isPlaceTold, Sending sending) {
        ledger.sent(key, topic, delayMs == 0 ? 0 : System.currentTimeMillis() + delayMs);
        try {
            SendResult result = sending.send(key);
            if (result.getSendStatus() == SendStatus.SEND_OK) {
                if (result instanceof TransactionSendResult transaction
                    && transaction.getLocalTransactionState() != LocalTransactionState.COMMIT_MESSAGE) {
                    ledger.rolledBack(key, topic);
                } else {
                    ledger.acknowledged(key, topic, isPlaceTold ? Place.of(result.getMessageQueue(), result.getQueueOffset()) : null);
                }
                return true;
            }
        } catch (Exception e) {
            // Told below: what the reason was does not change what may be claimed.
        }
        ledger.refused(key, topic);
        return false;
    }

    /** Waits until every writer, and every one of these brokers, has acknowledged something from now on. @return after how long */
    public Duration awaitFlow(Duration bound, Collection<String> brokers) {
        long asked = System.nanoTime();
        Map<String, Long> before = ledger.counts();
        List<String> who = new ArrayList<>(writers.stream().map(Thread::getName).toList());
        brokers.forEach(broker -> who.add("at " + broker));
        for (String one : who) {
            Await.until("a message is acknowledged: " + one, bound,
                () -> ledger.counts().getOrDefault(one, 0L) > before.getOrDefault(one, 0L));
        }
        return Duration.ofNanos(System.nanoTime() - asked);
    }

    /** Returns when nothing is under way any more. */
    public void stop() throws InterruptedException {
        stopped = true;
        for (Thread writer : writers) {
            writer.join();
        }
    }

    public void close() {
        producers.forEach(DefaultMQProducer::shutdown);
    }

    /** By the key, so that a producer that was asked again says the same. */
    private static final class Decisions implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            return Ledger.sequence(message.getKeys()) % ROLLED_BACK_EVERY == ROLLED_BACK_EVERY - 1
                ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.COMMIT_MESSAGE;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return executeLocalTransaction(message, null);
        }
    }
}
