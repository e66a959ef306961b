package interop.migrate;

import interop.Await;
import interop.Case;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.MessageQueueSelector;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * {@code Load NAMESRVS FEATURES}: producers and consumers that know nothing of what happens to their cluster. FEATURES are, comma-separated,
 * what version 5 has beside the rest: {@code timed}, {@code popped}. Commands on standard input, each answered by a line: {@code flowing} waits until messages of all kinds are acknowledged again, {@code end} stops the
 * producers, waits until everything is consumed and says what was kept.
 */
public final class Load {
    static final String PLAIN = "migrate-plain";
    static final String ORDERED = "migrate-ordered";
    static final String LATE = "migrate-late";
    static final String TRANSACTIONS = "migrate-transactions";
    static final String TIMED = "migrate-timed";
    static final String POPPED = "migrate-popped";
    static final String FILTERED = "migrate-filtered";
    private static final int PLAIN_WRITERS = 3;
    /** Enough to have something under way at any moment. */
    private static final int PAUSE_MS = 4;
    private static final int RARE_PAUSE_MS = 50;
    /** Level 1 of {@code messageDelayLevel}, which the brokers of the tests have at one second. */
    private static final int LATE_MS = 1_000;
    /** Timers that are in the wheel while their broker is replaced. */
    private static final int TIMED_MS = 3_000;

    private final String namesrvs;
    private final Set<String> features;
    private final Ledger ledger = new Ledger();
    private final List<Thread> writers = new ArrayList<>();
    private volatile boolean stopped;

    private Load(String namesrvs, Set<String> features) {
        this.namesrvs = namesrvs;
        this.features = features;
    }

    public static void main(String[] args) throws Exception {
        boolean good = new Load(args[0], Set.of(args[1].split(","))).run();
        // Clients leave threads behind, so the end has to be said.
        System.exit(good ? 0 : 1);
    }

    private boolean run() throws Exception {
        DefaultMQProducer producer = settled(new DefaultMQProducer("migrate-producer"));
        TransactionMQProducer transactional = new TransactionMQProducer("migrate-transactional");
        transactional.setTransactionListener(new Commits());
        settled(transactional);
        for (String topic : List.of(PLAIN, TRANSACTIONS)) {
            consume(topic, message -> { });
        }
        consume(LATE, message -> isLate(message, LATE_MS));
        consumeFiltered();
        consumeOrdered();
        for (int i = 0; i < PLAIN_WRITERS; i++) {
            String writer = "plain" + i;
            write(writer, PAUSE_MS, key -> producer.send(new Message(PLAIN, "", key, key.getBytes(StandardCharsets.UTF_8))));
        }
        MessageQueueSelector sameQueue = (queues, message, argument) -> queues.get(0);
        write("ordered", PAUSE_MS, key -> producer.send(new Message(ORDERED, "", key, new byte[1]), sameQueue, null));
        write("late", RARE_PAUSE_MS, key -> {
            Message message = timed(LATE, key);
            message.setDelayTimeLevel(1);
            return producer.send(message);
        });
        write("filtered", RARE_PAUSE_MS, key -> {
            Message message = new Message(FILTERED, "", key, new byte[1]);
            message.putUserProperty("size", "9");
            return producer.send(message);
        });
        write(Ledger.UNWANTED, RARE_PAUSE_MS, key -> {
            Message message = new Message(FILTERED, "", key, new byte[1]);
            message.putUserProperty("size", "3");
            return producer.send(message);
        });
        if (features.contains("timed")) {
            consume(TIMED, message -> isLate(message, TIMED_MS));
            write("timed", RARE_PAUSE_MS, key -> {
                Message message = timed(TIMED, key);
                message.setDelayTimeMs(TIMED_MS);
                return producer.send(message);
            });
        }
        if (features.contains("popped")) {
            consumePopped();
            write("popped", RARE_PAUSE_MS, key -> producer.send(new Message(POPPED, "", key, new byte[1])));
        }
        write("transaction", RARE_PAUSE_MS, key ->
            transactional.sendMessageInTransaction(new Message(TRANSACTIONS, "", key, new byte[1]), null));
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            if (command.equals("end")) {
                return end();
            }
            System.out.println(flowing());
        }
        return false;
    }

    /** A client as an application has one, but that it asks for routes more often. */
    private <P extends DefaultMQProducer> P settled(P producer) throws Exception {
        producer.setNamesrvAddr(namesrvs);
        producer.setInstanceName(Case.freshInstance());
        producer.setPollNameServerInterval(1_000);
        producer.setHeartbeatBrokerInterval(1_000);
        producer.start();
        return producer;
    }

    private DefaultMQPushConsumer consumer(String topic) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(topic + "-group");
        consumer.setNamesrvAddr(namesrvs);
        consumer.setInstanceName(Case.freshInstance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPollNameServerInterval(1_000);
        consumer.setHeartbeatBrokerInterval(1_000);
        consumer.setPersistConsumerOffsetInterval(1_000);
        consumer.subscribe(topic, "*");
        return consumer;
    }

    private void consume(String topic, Consumer<MessageExt> check) throws Exception {
        start(consumer(topic), check);
    }

    private void start(DefaultMQPushConsumer consumer, Consumer<MessageExt> check) throws Exception {
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                ledger.delivered(message.getKeys());
                check.accept(message);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }

    private static Message timed(String topic, String key) {
        return new Message(topic, "", key, Long.toString(System.currentTimeMillis()).getBytes(StandardCharsets.UTF_8));
    }

    /** Notes one that comes less than {@code delayMs} after it was sent; both kinds of delay count to the millisecond or later. */
    private void isLate(MessageExt message, int delayMs) {
        long sent = Long.parseLong(new String(message.getBody(), StandardCharsets.UTF_8));
        ledger.isEarly(message.getKeys(), delayMs - (System.currentTimeMillis() - sent));
    }

    private void consumeFiltered() throws Exception {
        DefaultMQPushConsumer consumer = consumer(FILTERED);
        consumer.unsubscribe(FILTERED);
        consumer.subscribe(FILTERED, MessageSelector.bySql("size > 5"));
        start(consumer, message -> { });
    }

    /** The broker says who pops from which queue; the mode was set with {@code setConsumeMode}, and each broker has to keep it. */
    private void consumePopped() throws Exception {
        DefaultMQPushConsumer consumer = consumer(POPPED);
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(10_000);
        start(consumer, message -> {
            if (message.getProperty(MessageConst.PROPERTY_POP_CK) == null) {
                ledger.isPulled(message.getKeys());
            }
        });
    }

    private void consumeOrdered() throws Exception {
        DefaultMQPushConsumer consumer = consumer(ORDERED);
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            messages.forEach(message -> ledger.deliveredInOrder(message.getKeys()));
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
    }

    /** Sends one message; throws where it was not acknowledged. */
    private interface Sending {
        SendResult send(String key) throws Exception;
    }

    /** One message after the other, each again and again until it is acknowledged. */
    private void write(String writer, int pauseMs, Sending sending) {
        Thread thread = new Thread(() -> {
            for (long sequence = 0; !stopped;) {
                String key = Ledger.key(writer, sequence);
                try {
                    if (sending.send(key).getSendStatus() == SendStatus.SEND_OK) {
                        ledger.acknowledged(writer, key);
                        sequence++;
                    }
                } catch (Exception e) {
                    ledger.refused(writer);
                }
                try {
                    // Not a wait for anything: the rate of the load.
                    Thread.sleep(pauseMs);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }, writer);
        writers.add(thread);
        thread.start();
    }

    private String flowing() {
        long asked = System.nanoTime();
        var before = ledger.counts();
        Await.until("messages of all kinds are acknowledged", Duration.ofSeconds(120), () -> before.size() == writers.size()
            ? ledger.counts().entrySet().stream().allMatch(entry -> entry.getValue() > before.get(entry.getKey()))
            : ledger.counts().size() == writers.size());
        return String.format("flowing after %d ms: %d acknowledged, %d sends refused, longest time without an acknowledged send %d ms",
            (System.nanoTime() - asked) / 1_000_000, ledger.acknowledgedCount(), ledger.refusedCount(), ledger.longestGapMs());
    }

    private boolean end() throws InterruptedException {
        stopped = true;
        for (Thread writer : writers) {
            writer.join();
        }
        try {
            Await.until("everything is consumed", Duration.ofSeconds(180), () -> ledger.missing().isEmpty());
        } catch (AssertionError e) {
            System.out.println(e.getMessage());
        }
        return ledger.report();
    }

    /** Whoever asks is told that the transaction is committed. */
    private static final class Commits implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            return LocalTransactionState.COMMIT_MESSAGE;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            return LocalTransactionState.COMMIT_MESSAGE;
        }
    }
}
