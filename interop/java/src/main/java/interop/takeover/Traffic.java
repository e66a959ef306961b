package interop.takeover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The messages that each turn adds, one or more of every kind. Keys end in the number of the turn. */
final class Traffic {
    static final String READERS = "takeover-readers";
    static final String LMQ_READERS = "%LMQ%takeover-readers";
    private static final String PLAIN = "takeover-plain";
    private static final String DELAYED = "takeover-delayed";
    private static final String PENDING = "takeover-pending";
    private static final String LIGHT = "%LMQ%takeover-";
    private static final String BATCH_QUEUE = "takeover-batch-queue";
    private static final String MANY = "takeover-many-";
    private static final String RETRIED = "takeover-retried";
    private static final String DROPPERS = "takeover-droppers";
    private static final int PLAIN_QUEUES = 4;
    private static final int MANY_TOPICS = 6;
    private static final int MANY_QUEUES = 1000;
    private static final int PENDING_LEVEL = 18;
    /** As interop/takeover configures it: longer than a turn takes after the send, and the stop. */
    private static final long PENDING_MS = 25_000;

    private final Case c;
    private final DefaultMQProducer producer;
    private final List<String> features;

    Traffic(Case c, List<String> features) throws Exception {
        this.c = c;
        this.features = features;
        producer = c.producer();
    }

    void createTopics() throws Exception {
        c.cluster.createTopic(PLAIN, PLAIN_QUEUES);
        for (String topic : List.of(DELAYED, PENDING, RETRIED, TransactionTraffic.TOPIC, TimerTraffic.TOPIC,
            FilterTraffic.TOPIC)) {
            c.cluster.createTopic(topic, 1);
        }
        if (features.contains("batchcq")) {
            TopicConfig config = new TopicConfig(BATCH_QUEUE);
            config.setReadQueueNums(1);
            config.setWriteQueueNums(1);
            config.setPerm(6);
            // Clients of version 4 do not have it.
            TopicConfig.class.getMethod("setAttributes", Map.class).invoke(config, Map.of("+queue.type", "BatchCQ"));
            c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), config);
            Await.until("route of " + BATCH_QUEUE, () -> !c.cluster.admin().examineTopicRouteInfo(BATCH_QUEUE).getQueueDatas().isEmpty());
        }
        if (features.contains("many-queues")) {
            for (int i = 0; i < MANY_TOPICS; i++) {
                c.cluster.createTopic(MANY + i, MANY_QUEUES);
            }
        }
    }

    /** All queues that there are to read. */
    List<MessageQueue> queues() {
        List<MessageQueue> queues = new ArrayList<>();
        addQueues(queues, PLAIN, PLAIN_QUEUES);
        for (String topic : List.of(DELAYED, PENDING, RETRIED, TransactionTraffic.TOPIC, FilterTraffic.TOPIC, LIGHT + "a", LIGHT + "b", "%RETRY%" + DROPPERS)) {
            addQueues(queues, topic, 1);
        }
        if (features.contains("batchcq")) {
            addQueues(queues, BATCH_QUEUE, 1);
        }
        if (features.contains("many-queues")) {
            IntStream.range(0, MANY_TOPICS).forEach(i -> addQueues(queues, MANY + i, MANY_QUEUES));
        }
        return queues;
    }

    private static void addQueues(List<MessageQueue> queues, String topic, int count) {
        IntStream.range(0, count).forEach(i -> queues.add(Cluster.queue(topic, i)));
    }

    static boolean hasProgress(MessageQueue queue) {
        return queue.getTopic().equals(PLAIN) || queue.getTopic().startsWith(LIGHT);
    }

    void send(int turn) throws Exception {
        for (int queue = 0; queue < PLAIN_QUEUES; queue++) {
            Message message = new Message(PLAIN, "red", "plain-" + queue + "-" + turn, "plain".getBytes());
            message.putUserProperty("sort", "plain");
            producer.send(message, Cluster.queue(PLAIN, queue));
        }
        for (int i = 0; i < 5; i++) {
            Message message = new Message(PLAIN, "ordered", "ordered-" + i + "-" + turn, ("ordered" + i).getBytes());
            producer.send(message, (queues, m, key) -> queues.get(key.hashCode() % queues.size()), "one order");
        }
        sendBatch(PLAIN, turn);
        Case.sendOk(producer, new Message(PLAIN, "big", "compressed-" + turn, "compressible ".repeat(2000).getBytes()));
        sendLight(turn);
        sendDelayed(turn);
        sendToRetry(DROPPERS, turn);
        if (features.contains("batchcq")) {
            sendBatch(BATCH_QUEUE, turn);
            sendBatch(BATCH_QUEUE, turn);
        }
        if (features.contains("many-queues")) {
            sendToMany(turn);
        }
        commit(READERS, turn);
        commit(LMQ_READERS, turn);
        awaitPersisted(turn);
    }

    /**
     * The Java broker writes offsets now and then, first 10 s after its start: what it has not written, a kill may take.
     * Eruca loses none, but a Java broker reads this file only.
     */
    private static void awaitPersisted(int turn) {
        Path file = Path.of(System.getProperty("interop.main.dir"), "store/config/lmqConsumerOffset.json");
        // Committed last; one offset for all queues of a topic.
        Pattern last = Pattern.compile("\"" + Pattern.quote(PLAIN + "@" + LMQ_READERS) + "\"\\s*:\\s*" + (turn + 1) + "\\b");
        Await.until("offsets are on the disk", () -> last.matcher(Files.readString(file)).find());
    }

    private void sendBatch(String topic, int turn) throws Exception {
        List<Message> batch = IntStream.range(0, 3)
            .mapToObj(i -> new Message(topic, "batch", "batch-" + i + "-" + turn, ("batch" + i).getBytes())).toList();
        producer.send(batch, Cluster.queue(topic, 0));
    }

    /** In the queue it is sent to and in two light ones. */
    private void sendLight(int turn) throws Exception {
        for (int i = 0; i < 2; i++) {
            Message message = new Message(PLAIN, "light", "light-" + i + "-" + turn, "light".getBytes());
            message.putUserProperty("INNER_MULTI_DISPATCH", LIGHT + "a," + LIGHT + "b");
            producer.send(message, Cluster.queue(PLAIN, 1));
        }
    }

    private void sendDelayed(int turn) throws Exception {
        Message soon = new Message(DELAYED, "late", "delayed-" + turn, "delayed".getBytes());
        soon.setDelayTimeLevel(1);
        Case.sendOk(producer, soon);
        Message pending = new Message(PENDING, "late", "pending-" + turn, "pending".getBytes());
        pending.setDelayTimeLevel(PENDING_LEVEL);
        Case.sendOk(producer, pending);
        awaitOne(DELAYED, "delayed-" + turn, Await.SOON);
    }

    /** What the broker before this one had been told to deliver later. */
    void awaitPending(int turn) throws Exception {
        MessageExt delivered = awaitOne(PENDING, "pending-" + turn, Duration.ofSeconds(60));
        long delay = delivered.getStoreTimestamp() - delivered.getBornTimestamp();
        Check.that(delay >= PENDING_MS, delivered.getKeys() + " was delivered after " + delay + " ms already");
    }

    /** By the tag, for which the broker asks the queue's entries. */
    void checkTags(int turns) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer("takeover-tags");
        MessageQueue queue = Cluster.queue(PLAIN, 0);
        Set<String> found = new TreeSet<>();
        for (long next = 0, end = reader.maxOffset(queue); next < end;) {
            var result = reader.pull(queue, "red", next, 32);
            if (result.getMsgFoundList() != null) {
                result.getMsgFoundList().forEach(m -> found.add(m.getKeys()));
            }
            next = result.getNextBeginOffset();
        }
        Set<String> expected = new TreeSet<>();
        IntStream.range(0, turns).forEach(turn -> expected.add("plain-0-" + turn));
        Check.equal(expected, found, "messages of queue 0 with tag red");
    }

    private MessageExt awaitOne(String topic, String key, Duration bound) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer("takeover-waiting-" + topic);
        MessageQueue queue = Cluster.queue(topic, 0);
        long[] next = {0};
        MessageExt[] found = {null};
        Await.until(key + " is delivered", bound, () -> {
            while (found[0] == null && next[0] < reader.maxOffset(queue)) {
                var result = reader.pull(queue, "*", next[0], 32);
                next[0] = result.getNextBeginOffset();
                if (result.getMsgFoundList() != null) {
                    found[0] = result.getMsgFoundList().stream().filter(m -> key.equals(m.getKeys())).findFirst().orElse(null);
                }
            }
            return found[0] != null;
        });
        return found[0];
    }

    /** Fails each message of this turn twice: a retry, then a dead letter. */
    private void sendToRetry(String group, int turn) throws Exception {
        String key = "retried-" + group.length() + "-" + turn;
        AtomicInteger tries = new AtomicInteger();
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setMaxReconsumeTimes(1);
        consumer.subscribe(RETRIED, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            boolean isMine = messages.stream().anyMatch(m -> key.equals(m.getKeys()));
            tries.addAndGet(isMine ? 1 : 0);
            return isMine ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Case.sendOk(producer, new Message(RETRIED, "", key, "retried".getBytes()));
        Await.until(key + " was tried twice", Duration.ofSeconds(60), () -> tries.get() >= 2);
        // Queues of dead letters are not for reading; their end tells.
        DefaultMQPullConsumer reader = c.pullConsumer("takeover-dead-letters-" + group.length());
        Await.until(key + " is a dead letter", Duration.ofSeconds(60),
            () -> reader.maxOffset(Cluster.queue("%DLQ%" + group, 0)) == turn + 1);
        consumer.shutdown();
    }

    /** One message to each of very many queues, so that Eruca keeps their entries in the log which queues share. */
    private void sendToMany(int turn) throws Exception {
        CountDownLatch left = new CountDownLatch(MANY_TOPICS * MANY_QUEUES);
        AtomicInteger failed = new AtomicInteger();
        SendCallback callback = new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                left.countDown();
            }

            @Override
            public void onException(Throwable e) {
                failed.incrementAndGet();
                left.countDown();
            }
        };
        for (int topic = 0; topic < MANY_TOPICS; topic++) {
            for (int queue = 0; queue < MANY_QUEUES; queue++) {
                Message message = new Message(MANY + topic, "", "many-" + topic + "-" + queue + "-" + turn, "many".getBytes());
                producer.send(message, Cluster.queue(MANY + topic, queue), callback);
            }
        }
        Check.that(left.await(60, TimeUnit.SECONDS), left.getCount() + " sends have no answer");
        Check.equal(0, failed.get(), "failed sends to many queues");
    }

    private void commit(String group, int turn) throws Exception {
        DefaultMQPullConsumer reader = c.pullConsumer(group);
        for (MessageQueue queue : queues()) {
            if (hasProgress(queue)) {
                reader.maxOffset(queue);
                reader.getDefaultMQPullConsumerImpl().getOffsetStore().updateConsumeOffsetToBroker(queue, turn + 1, false);
            }
        }
    }

    /** Found through the index, also where another broker wrote it. */
    void checkKeys(int turn) {
        List<String> keys = List.of("plain-2-" + turn, "batch-1-" + turn, "compressed-" + turn, "light-0-" + turn);
        for (String key : keys) {
            Await.until(key + " is found by its key, once", () -> c.cluster.admin()
                .queryMessage(PLAIN, key, 32, 0, Long.MAX_VALUE).getMessageList().size() == 1);
        }
    }
}
