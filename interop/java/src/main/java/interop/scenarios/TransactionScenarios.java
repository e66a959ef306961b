package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Kills;
import interop.Received;
import interop.Scenario;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Messages that wait for what their producer says of its transaction. The servers ask after 2 s, and then every 2 s. */
public final class TransactionScenarios {
    private static final String HALF_TOPIC = "RMQ_SYS_TRANS_HALF_TOPIC";
    private static final String OP_TOPIC = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
    private static final String MAX_TIME_TOPIC = "TRANS_CHECK_MAX_TIME_TOPIC";
    private static final int END_TRANSACTION = 37;
    private static final int COMMIT = 8;
    private static final int ROLLBACK = 12;
    private static final int SUCCESS = 0;
    private static final int SYSTEM_ERROR = 1;
    private static final int NO_PERMISSION = 16;
    private static final int ILLEGAL_OPERATION = 604;
    /** Fifteen checks, one every 2 s, and time for a loaded machine. */
    private static final Duration GIVEN_UP = Duration.ofSeconds(90);

    public static final List<Scenario> LIST = List.of(
        Scenario.of("transaction-given-up-and-resumed", TransactionScenarios::givenUp, "kill-all"),
        Scenario.of("transaction-commit-and-rollback", TransactionScenarios::commitAndRollback, "basic", "binary", "kill"),
        Scenario.of("transaction-checked", TransactionScenarios::checked, "binary", "kill"),
        Scenario.of("transaction-other-producer-is-asked", TransactionScenarios::otherProducer, "kill"),
        Scenario.of("transaction-check-immunity", TransactionScenarios::immunity, "kill"),
        Scenario.of("transaction-many", TransactionScenarios::many, "kill"),
        Scenario.of("transaction-wrong-ends", TransactionScenarios::wrongEnds, "kill-all"),
        Scenario.of("transaction-rejected", TransactionScenarios::rejected, "exclusive", "kill-all"),
        Scenario.of("transaction-restart-clean", c -> restart(c, "clean"), "exclusive"),
        Scenario.of("transaction-restart-kill", c -> restart(c, "kill"), "exclusive"));

    private TransactionScenarios() {
    }

    /** Decides by the first letter of the key, u until it is told otherwise; notes what it was asked. */
    private static final class Listener implements TransactionListener {
        final Map<String, LocalTransactionState> answers = new ConcurrentHashMap<>();
        final List<MessageExt> checks = new CopyOnWriteArrayList<>();

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
            return switch (message.getKeys().charAt(0)) {
                case 'c' -> LocalTransactionState.COMMIT_MESSAGE;
                case 'r' -> LocalTransactionState.ROLLBACK_MESSAGE;
                default -> LocalTransactionState.UNKNOW;
            };
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            checks.add(message);
            // Where a kill swallowed what was decided at first, it is said again.
            return answers.getOrDefault(message.getKeys(), executeLocalTransaction(message, null));
        }

        List<MessageExt> checksOf(String key) {
            return checks.stream().filter(m -> key.equals(m.getKeys())).toList();
        }
    }

    private static TransactionMQProducer producer(Case c, String group, TransactionListener listener) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setNamesrvAddr(c.cluster.namesrv);
        producer.setInstanceName(c.freshInstance());
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(listener);
        // A broker that was killed does not know it before its next heartbeat.
        producer.setHeartbeatBrokerInterval(Kills.areOn() ? 1_000 : 30_000);
        c.onClose(producer::shutdown);
        producer.start();
        return producer;
    }

    private static TransactionSendResult send(TransactionMQProducer producer, String topic, String key) throws Exception {
        Message message = new Message(topic, "tag", key, ("body of " + key).getBytes(StandardCharsets.UTF_8));
        return send(producer, message);
    }

    private static TransactionSendResult send(TransactionMQProducer producer, Message message) throws Exception {
        TransactionSendResult result = Case.retried("sent " + message.getKeys(), () -> producer.sendMessageInTransaction(message, null));
        Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status of " + message.getKeys());
        return result;
    }

    private static Received consume(Case c, String topic) throws Exception {
        Received received = new Received();
        c.startPush(c.freshName(), topic, "*", received);
        return received;
    }

    static void commitAndRollback(Case c) throws Exception {
        String topic = c.freshTopic(4);
        String group = c.freshName();
        Received received = consume(c, topic);
        TransactionMQProducer producer = producer(c, group, new Listener());
        Map<String, TransactionSendResult> sent = new HashMap<>();
        List<String> committed = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            sent.put("c" + i, send(producer, topic, "c" + i));
            sent.put("r" + i, send(producer, topic, "r" + i));
            committed.add("c" + i);
        }
        received.awaitExactly(committed);
        for (String key : committed) {
            MessageExt message = received.byKey(key);
            TransactionSendResult result = sent.get(key);
            Check.equal("body of " + key, new String(message.getBody(), StandardCharsets.UTF_8), "body");
            Check.equal("tag", message.getTags(), "tag");
            Check.equal(result.getMsgId(), message.getMsgId(), "message id");
            Check.equal(result.getTransactionId(), message.getMsgId(), "transaction id");
            Check.equal(result.getMessageQueue().getQueueId(), message.getQueueId(), "queue");
            Check.equal(COMMIT, message.getSysFlag() & 12, "transaction flags");
            Check.that(message.getPreparedTransactionOffset() > 0, "offset of the half message");
            Check.equal(group, message.getProperty(MessageConst.PROPERTY_PRODUCER_GROUP), "producer group");
            Check.equal("true", message.getProperty(MessageConst.PROPERTY_TRANSACTION_PREPARED), "TRAN_MSG");
            Check.equal(null, message.getProperty(MessageConst.PROPERTY_REAL_TOPIC), "REAL_TOPIC");
        }
    }

    static void checked(Case c) throws Exception {
        String topic = c.freshTopic(2);
        Received received = consume(c, topic);
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(c, c.freshName(), listener);
        TransactionSendResult result = send(producer, topic, "u-commit");
        send(producer, topic, "u-rollback");
        Await.until("both are asked for twice", () ->
            listener.checksOf("u-commit").size() >= 2 && listener.checksOf("u-rollback").size() >= 2);
        Check.equal(0, received.count(), "messages before the end");
        MessageExt first = listener.checksOf("u-commit").get(0);
        Check.equal(topic, first.getTopic(), "topic");
        Check.equal(result.getTransactionId(), first.getTransactionId(), "transaction id");
        Check.equal("body of u-commit", new String(first.getBody(), StandardCharsets.UTF_8), "body");
        MessageExt second = listener.checksOf("u-commit").get(1);
        if (!Kills.areOn()) {
            // A kill swallows checks, and a half message that was sent twice has its own.
            Check.equal(result.getMessageQueue().getQueueId(), first.getQueueId(), "queue");
            Check.equal("1", first.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES), "checks");
            Check.equal("2", second.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES), "checks");
        }
        Check.that(second.getCommitLogOffset() > first.getCommitLogOffset(), "each check has a copy of its own");
        listener.answers.put("u-rollback", LocalTransactionState.ROLLBACK_MESSAGE);
        listener.answers.put("u-commit", LocalTransactionState.COMMIT_MESSAGE);
        received.awaitExactly(List.of("u-commit"));
        String times = received.byKey("u-commit").getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES);
        Check.that(Integer.parseInt(times) >= (Kills.areOn() ? 1 : 3), "checks before the end: " + times);
        awaitNoMoreChecks(c, listener);
        received.awaitExactly(List.of("u-commit"));
    }

    /** A transaction that begins later is asked for, the ones that are ended are not. */
    private static void awaitNoMoreChecks(Case c, Listener listener) throws Exception {
        TransactionMQProducer producer = producer(c, c.freshName(), listener);
        String topic = c.freshTopic(1);
        int before = listener.checks.size();
        send(producer, topic, "u-witness");
        Await.until("the witness is asked for", () -> listener.checksOf("u-witness").size() >= 2);
        // One check of each may have been under way.
        int others = listener.checks.size() - listener.checksOf("u-witness").size();
        Check.that(others - before <= 2 || Kills.areOn(), "ended transactions are asked for: " + others + ", before " + before);
        listener.answers.put("u-witness", LocalTransactionState.ROLLBACK_MESSAGE);
    }

    static void otherProducer(Case c) throws Exception {
        String topic = c.freshTopic(2);
        String group = c.freshName();
        Received received = consume(c, topic);
        Listener dies = new Listener();
        TransactionMQProducer first = producer(c, group, dies);
        send(first, topic, "u0");
        first.shutdown();
        Listener lives = new Listener();
        lives.answers.put("u0", LocalTransactionState.COMMIT_MESSAGE);
        lives.answers.put("u1", LocalTransactionState.COMMIT_MESSAGE);
        // It makes itself known with its first send; a stranger's group is not asked.
        Listener stranger = new Listener();
        send(producer(c, c.freshName(), stranger), topic, "r-stranger");
        TransactionMQProducer second = producer(c, group, lives);
        send(second, topic, "u1");
        received.awaitExactly(List.of("u0", "u1"));
        Check.equal(0, stranger.checksOf("u0").size() + stranger.checksOf("u1").size(), "checks of a stranger");
    }

    static void immunity(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Listener listener = new Listener();
        listener.answers.put("u0", LocalTransactionState.COMMIT_MESSAGE);
        Received received = consume(c, topic);
        Message message = new Message(topic, "", "u0", "x".getBytes());
        message.putUserProperty(MessageConst.PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS, "6");
        long sent = System.currentTimeMillis();
        send(producer(c, c.freshName(), listener), message);
        received.awaitExactly(List.of("u0"));
        long asked = received.byKey("u0").getStoreTimestamp() - sent;
        Check.that(asked >= 6_000, "asked after " + asked + " ms, within the immunity");
        Check.times(1, listener.checksOf("u0").size(), "checks");
    }

    static void many(Case c) throws Exception {
        String topic = c.freshTopic(8);
        Received received = consume(c, topic);
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(c, c.freshName(), listener);
        List<String> expected = new CopyOnWriteArrayList<>();
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<?>> threads = new ArrayList<>();
        for (int thread = 0; thread < 8; thread++) {
            int number = thread;
            threads.add(pool.submit(() -> {
                for (int i = 0; i < 50; i++) {
                    String key = "crux".charAt(i % 4) + "-" + number + "-" + i;
                    switch (key.charAt(0)) {
                        case 'c' -> expected.add(key);
                        case 'u' -> {
                            expected.add(key);
                            listener.answers.put(key, LocalTransactionState.COMMIT_MESSAGE);
                        }
                        case 'x' -> listener.answers.put(key, LocalTransactionState.ROLLBACK_MESSAGE);
                        default -> { }
                    }
                    send(producer, topic, key);
                }
                return null;
            }));
        }
        for (Future<?> thread : threads) {
            thread.get();
        }
        pool.shutdown();
        Received.awaitExactly(Duration.ofSeconds(60), expected, received);
    }

    /** Requests as no client sends them: what is wrong is said, and nothing changes. */
    static void wrongEnds(Case c) throws Exception {
        String topic = c.freshTopic(1);
        String group = c.freshName();
        Received received = consume(c, topic);
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(c, group, listener);
        DefaultMQPullConsumer reader = c.pullConsumer(c.freshName());
        MessageExt half = findHalf(reader, send(producer, topic, "u0").getMsgId());
        long queueOffset = half.getQueueOffset();
        long logOffset = half.getCommitLogOffset();
        expect(SYSTEM_ERROR, "The producer group wrong", end(producer, c, "nobody", queueOffset, logOffset, COMMIT));
        expect(SYSTEM_ERROR, "The transaction state table offset wrong",
            end(producer, c, group, queueOffset + 1, logOffset, COMMIT));
        expect(SYSTEM_ERROR, "Find prepared transaction message failed",
            end(producer, c, group, queueOffset, 1L << 50, COMMIT));
        expect(SUCCESS, null, end(producer, c, group, queueOffset, logOffset, ROLLBACK));

        Message late = new Message(topic, "", "u1", "x".getBytes());
        late.putUserProperty(MessageConst.PROPERTY_CHECK_IMMUNITY_TIME_IN_SECONDS, "2");
        MessageExt immune = findHalf(reader, send(producer, late).getMsgId());
        Await.until("its immunity is over", () -> !listener.checksOf("u1").isEmpty());
        expect(ILLEGAL_OPERATION, null,
            end(producer, c, group, immune.getQueueOffset(), immune.getCommitLogOffset(), COMMIT));
        listener.answers.put("u1", LocalTransactionState.COMMIT_MESSAGE);
        received.awaitExactly(List.of("u1"));
    }

    private static RemotingCommand end(DefaultMQProducer producer, Case c, String group, long queueOffset, long logOffset,
        int outcome) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(END_TRANSACTION, null);
        HashMap<String, String> fields = new HashMap<>();
        fields.put("producerGroup", group);
        fields.put("tranStateTableOffset", Long.toString(queueOffset));
        fields.put("commitLogOffset", Long.toString(logOffset));
        fields.put("commitOrRollback", Integer.toString(outcome));
        fields.put("fromTransactionCheck", "false");
        fields.put("msgId", "x");
        request.setExtFields(fields);
        return Case.retried("ended", () -> producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl()
            .getRemotingClient().invokeSync(c.cluster.brokerAddr(), request, 10_000));
    }

    private static MessageExt findHalf(DefaultMQPullConsumer reader, String id) throws Exception {
        return Case.retried("half message " + id, () -> {
            MessageExt half = find(reader, Cluster.queue(HALF_TOPIC, 0), id);
            if (half == null) {
                throw new IllegalStateException("not found");
            }
            return half;
        });
    }

    private static void expect(int code, String remark, RemotingCommand answer) {
        Check.equal(code, answer.getCode(), "code of the answer (" + answer.getRemark() + ")");
        Check.that(remark == null || answer.getRemark().startsWith(remark), "remark: " + answer.getRemark());
    }

    static void givenUp(Case c) throws Exception {
        String topic = c.freshTopic(1);
        Received received = consume(c, topic);
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(c, c.freshName(), listener);
        TransactionSendResult half = send(producer, topic, "u0");
        DefaultMQPullConsumer reader = c.pullConsumer(c.freshName());
        MessageExt[] found = new MessageExt[1];
        Await.until("it is given up", GIVEN_UP, () -> {
            found[0] = find(reader, Cluster.queue(MAX_TIME_TOPIC, 0), half.getMsgId());
            return found[0] != null;
        });
        Check.that(listener.checksOf("u0").size() == 15 || Kills.areOn(), "checks: " + listener.checksOf("u0").size());
        Check.equal("15", found[0].getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES), "checks");
        Check.equal(topic, found[0].getProperty(MessageConst.PROPERTY_REAL_TOPIC), "topic");
        listener.answers.put("u0", LocalTransactionState.COMMIT_MESSAGE);
        String id = ((MessageClientExt) found[0]).getOffsetMsgId();
        Check.that(Case.retried("resumed", () -> c.cluster.admin().resumeCheckHalfMessage(MAX_TIME_TOPIC, id)), "resumed");
        received.awaitExactly(List.of("u0"));
        String times = received.byKey("u0").getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES);
        Check.that("1".equals(times) || Kills.areOn(), "checks: " + times);
    }

    private static MessageExt find(DefaultMQPullConsumer reader, MessageQueue queue, String id) throws Exception {
        long next = reader.minOffset(queue);
        while (next < reader.maxOffset(queue)) {
            PullResult result = reader.pull(queue, "*", next, 32);
            if (result.getPullStatus() != PullStatus.FOUND) {
                return null;
            }
            for (MessageExt message : result.getMsgFoundList()) {
                if (id.equals(message.getMsgId())) {
                    return message;
                }
            }
            next = result.getNextBeginOffset();
        }
        return null;
    }

    static void rejected(Case c) throws Exception {
        String topic = c.freshTopic(1);
        TransactionMQProducer producer = producer(c, c.freshName(), new Listener());
        configure(c, "true");
        try {
            Message half = new Message(topic, "tag", "c0", "x".getBytes(StandardCharsets.UTF_8));
            int code = Case.retried("refused", () -> {
                try {
                    producer.sendMessageInTransaction(half, null);
                } catch (MQClientException e) {
                    return Stream.iterate((Throwable) e, Objects::nonNull, Throwable::getCause).filter(MQBrokerException.class::isInstance)
                        .map(refusal -> ((MQBrokerException) refusal).getResponseCode()).findFirst().orElseThrow(() -> e);
                }
                throw new AssertionError("a half message was taken");
            });
            Check.equal(NO_PERMISSION, code, "code");
            Case.sendSome(producer, topic, "ordinary", 1);
        } finally {
            configure(c, "false");
        }
        send(producer, topic, "c1");
    }

    private static void configure(Case c, String value) throws Exception {
        java.util.Properties change = new java.util.Properties();
        change.put("rejectTransactionMessage", value);
        Case.retried("configured", () -> {
            c.cluster.admin().updateBrokerConfig(c.cluster.brokerAddr(), change);
            return true;
        });
    }

    /** What is open is asked for after the restart, what is ended stays so. */
    static void restart(Case c, String how) throws Exception {
        String topic = c.freshTopic(2);
        Received received = consume(c, topic);
        Listener listener = new Listener();
        TransactionMQProducer producer = producer(c, c.freshName(), listener);
        long operations = operations(c);
        for (int i = 0; i < 5; i++) {
            send(producer, topic, "c" + i);
            send(producer, topic, "r" + i);
            send(producer, topic, "u" + i);
        }
        received.awaitExactly(List.of("c0", "c1", "c2", "c3", "c4"));
        Await.until("open ones are asked for", () -> !listener.checksOf("u4").isEmpty());
        awaitOperations(c, operations);
        c.cluster.restartBroker(how);
        List<String> expected = new ArrayList<>(List.of("c0", "c1", "c2", "c3", "c4"));
        for (int i = 0; i < 5; i++) {
            boolean commits = i % 2 == 0;
            listener.answers.put("u" + i,
                commits ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE);
            if (commits) {
                expected.add("u" + i);
            }
        }
        // The producer makes itself known again within its heartbeat's 30 s.
        Duration bound = Duration.ofSeconds(90);
        if (isJava()) {
            // It forgets what it copied or noted in its last seconds, asks again, and delivers twice.
            Await.until("all messages are received", bound, () -> received.keys().containsAll(expected));
            Check.equal(Set.copyOf(expected), received.keys(), "messages received");
            return;
        }
        Received.awaitExactly(bound, expected, received);
        awaitNoMoreChecks(c, listener);
        received.awaitExactly(expected);
        for (String key : List.of("c0", "r0", "r4")) {
            Check.equal(0, listener.checksOf(key).size(), "checks of " + key + ", which was ended before");
        }
    }

    private static boolean isJava() {
        return "persisted".equals(System.getProperty("interop.offsets"));
    }

    private static long operations(Case c) throws Exception {
        return c.cluster.admin().maxOffset(Cluster.queue(OP_TOPIC, 0));
    }

    /** Before a kill: a Java broker writes the ends of transactions down within 3 s, and asks again for those it did not. */
    private static void awaitOperations(Case c, long before) {
        Await.until("ends are written", () -> operations(c) > before);
    }
}
