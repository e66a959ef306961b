package interop;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.RPCHook;

/** What one run of a scenario owns: fresh names, and clients that are shut down at its end. */
public final class Case implements AutoCloseable {
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36);
    private static final AtomicInteger INSTANCES = new AtomicInteger();
    private static final AtomicInteger NAMES = new AtomicInteger();

    public final Cluster cluster;
    private final String name;
    private final Deque<Runnable> closers = new ArrayDeque<>();
    private RPCHook hook;

    Case(String name, Cluster cluster) {
        this.name = name;
        this.cluster = cluster;
    }

    /** Work on a cluster that is no scenario. */
    public static Case of(String name, String clusterName) {
        return new Case(name, Cluster.named(clusterName));
    }

    /** The same scenario on another cluster; closed together with this one. */
    public Case on(String clusterName) {
        Case other = new Case(name, Cluster.named(clusterName));
        Kills.isOn(other.cluster);
        onClose(other::close);
        return other;
    }

    /** What clients that are made from now on are to tell of their requests and answers. */
    public void hook(RPCHook all) {
        hook = all;
    }

    RPCHook hook() {
        return hook;
    }

    /** A name for a topic or group that nobody else uses. */
    public String freshName() {
        return name + "-" + RUN + "-" + NAMES.getAndIncrement();
    }

    public String freshTopic(int queues) throws Exception {
        String topic = freshName();
        cluster.createTopic(topic, queues);
        return topic;
    }

    public synchronized void onClose(Runnable closer) {
        closers.push(closer);
    }

    @Override
    public synchronized void close() {
        closers.forEach(Runnable::run);
        closers.clear();
    }

    /** A client of its own (connection and id), though all run in one process. */
    public static String freshInstance() {
        return "i" + INSTANCES.incrementAndGet() + "-" + RUN;
    }

    public DefaultMQProducer producer() throws Exception {
        DefaultMQProducer producer = unstartedProducer();
        producer.start();
        return producer;
    }

    public DefaultMQProducer unstartedProducer() {
        DefaultMQProducer producer = new DefaultMQProducer(freshName(), hook);
        producer.setNamesrvAddr(cluster.namesrv);
        producer.setInstanceName(freshInstance());
        // A first send to a cold, busy Java broker can take longer than the default of 3 s.
        producer.setSendMsgTimeout(10_000);
        onClose(producer::shutdown);
        return producer;
    }

    /** Not yet started. Does often what a client does every 5 to 30 s, so that nobody has to wait for it. */
    public DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group, hook, new AllocateMessageQueueAveragely());
        consumer.setNamesrvAddr(cluster.namesrv);
        consumer.setInstanceName(freshInstance());
        // From the last one, the client's default, a message is skipped if it arrives between the client's
        // two questions for a new queue: "what is committed?" and "where is the end?".
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        // The %RETRY% topic appears with the first heartbeat, after the client has asked for its route.
        consumer.setPollNameServerInterval(1000);
        // When a rebalance raises the subscription's version while a heartbeat is under way, the client
        // does not tell the broker until the next one, and all its pulls are refused until then.
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        onClose(consumer::shutdown);
        return consumer;
    }

    public DefaultMQPushConsumer startPush(String group, String topic, String tags, Received received) throws Exception {
        return retried("started " + group, () -> startPushOnce(group, topic, tags, received));
    }

    private DefaultMQPushConsumer startPushOnce(String group, String topic, String tags, Received received) throws Exception {
        DefaultMQPushConsumer consumer = pushConsumer(group);
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(received);
        consumer.start();
        return consumer;
    }

    public DefaultMQPullConsumer pullConsumer(String group) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        consumer.setNamesrvAddr(cluster.namesrv);
        consumer.setHeartbeatBrokerInterval(1000);
        consumer.setInstanceName(freshInstance());
        onClose(consumer::shutdown);
        consumer.start();
        return consumer;
    }

    /** Not yet started. */
    public DefaultLitePullConsumer litePullConsumer(String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group, hook);
        consumer.setNamesrvAddr(cluster.namesrv);
        consumer.setInstanceName(freshInstance());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.setAutoCommit(false);
        onClose(consumer::shutdown);
        return consumer;
    }

    /** Sends {@code count} small messages with keys PREFIX-0, PREFIX-1, … and returns the keys. */
    public static List<String> sendSome(DefaultMQProducer producer, String topic, String prefix, int count) throws Exception {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String key = prefix + "-" + i;
            sendOk(producer, new Message(topic, "", key, ("body of " + key).getBytes()));
            keys.add(key);
        }
        return keys;
    }

    /** A call that may fail while the broker is away, and is made again then. */
    public static <T> T retried(String what, Callable<T> call) throws Exception {
        Kills.moment();
        if (!Kills.areOn()) {
            return call.call();
        }
        AtomicReference<T> result = new AtomicReference<>();
        Await.until(what, () -> {
            result.set(call.call());
            return true;
        });
        return result.get();
    }

    /** A call beside the scenario's own, in a thread that passes the scenario's moments. */
    public static <T> CompletableFuture<T> beside(Callable<T> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        Thread thread = new Thread(() -> {
            try {
                result.complete(call.call());
            } catch (Exception | AssertionError e) {
                result.completeExceptionally(e);
            }
        }, "beside");
        thread.setDaemon(true);
        thread.start();
        return result;
    }

    public static SendResult sendOk(DefaultMQProducer producer, Message message) throws Exception {
        SendResult result = retried("sent " + message.getKeys(), () -> producer.send(message));
        Check.equal(SendStatus.SEND_OK, result.getSendStatus(), "status of " + message.getKeys());
        return result;
    }

    /** The queues of the topic that this push consumer works on at the moment. */
    public static Set<MessageQueue> queuesOf(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(q -> q.getTopic().equals(topic)).collect(Collectors.toSet());
    }

    /** {@code UNIQ_KEY}, which the producer reports as message id. */
    public static String uniqueKey(Message message) {
        return message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX);
    }
}
