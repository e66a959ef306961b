package interop.acting;

import interop.Await;
import interop.Check;
import interop.PopClient;
import interop.Received;
import interop.Script;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** A slave that stands in for its killed master: what that one had under way goes on, through another group. */
public final class Acting {
    private static final String NAMESRV = System.getProperty("acting.namesrv");
    private static final String MASTER = System.getProperty("acting.master");
    private static final String SLAVE = System.getProperty("acting.slave");
    private static final String OTHER = System.getProperty("acting.other");
    private static final boolean SLAVE_IS_JAVA = "java".equals(System.getProperty("acting.slave.kind"));
    /** Whether the master that is killed, or its slave, is a Java broker. */
    private static final boolean HAS_JAVA = SLAVE_IS_JAVA || "java".equals(System.getProperty("acting.master.kind"));
    private static final String PLAIN = "ActingPlain";
    private static final String DELAYED = "ActingDelayed";
    private static final String TIMED = "ActingTimed";
    private static final String HALF = "ActingHalf";
    private static final String POPPED = "ActingPopped";
    private static final String POPPERS = "acting-poppers";
    private static final long WAITS_MS = 30_000;
    private static final Duration LONG = Duration.ofSeconds(150);
    private static final int COUNT = 20;

    private final DefaultMQAdminExt admin = new DefaultMQAdminExt(10_000);
    private final DefaultMQProducer producer = new DefaultMQProducer("acting-producers");
    private final Decisions decisions = new Decisions();
    private int instances;

    private Acting() {
    }

    /** The first letter of a key says what becomes of it, as soon as that is decided. */
    private static final class Decisions implements TransactionListener {
        private final Set<String> checked = new ConcurrentSkipListSet<>();
        private volatile boolean areMade;

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object arg) {
            return LocalTransactionState.UNKNOW;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            if (!areMade) {
                return LocalTransactionState.UNKNOW;
            }
            checked.add(message.getKeys());
            return message.getKeys().startsWith("c") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        }
    }

    public static void main(String[] args) throws Exception {
        int status = 0;
        try {
            new Acting().play();
        } catch (Throwable failure) {
            failure.printStackTrace();
            status = 1;
        }
        System.exit(status);
    }

    private void play() throws Exception {
        admin.setNamesrvAddr(NAMESRV);
        admin.start();
        for (String topic : List.of(PLAIN, DELAYED, TIMED, HALF, POPPED)) {
            createTopic(MASTER, topic);
        }
        for (String topic : List.of(PLAIN, DELAYED, TIMED, POPPED)) {
            createTopic(OTHER, topic);
        }
        for (String addr : List.of(MASTER, OTHER)) {
            SubscriptionGroupConfig poppers = new SubscriptionGroupConfig();
            poppers.setGroupName(POPPERS);
            admin.createAndUpdateSubscriptionGroupConfig(addr, poppers);
        }
        producer.setNamesrvAddr(NAMESRV);
        producer.setInstanceName("acting-" + instances++);
        producer.setSendMsgTimeout(5_000);
        producer.setPollNameServerInterval(1_000);
        producer.start();
        TransactionMQProducer transactions = new TransactionMQProducer("acting-deciders");
        transactions.setNamesrvAddr(NAMESRV);
        transactions.setInstanceName("acting-" + instances++);
        transactions.setSendMsgTimeout(5_000);
        transactions.setPollNameServerInterval(1_000);
        transactions.setHeartbeatBrokerInterval(1_000);
        transactions.setTransactionListener(decisions);
        transactions.start();

        say("half messages, while the topic is in one group only");
        List<String> commits = new ArrayList<>();
        List<String> rollbacks = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            commits.add(half(transactions, "c" + i));
            rollbacks.add(half(transactions, "r" + i));
        }
        createTopic(OTHER, HALF);
        Received halves = new Received();
        consumer("acting-halves", HALF, halves);
        Received delays = new Received();
        consumer("acting-delays", DELAYED, delays);
        Received timers = new Received();
        consumer("acting-timers", TIMED, timers);
        List<String> plain = send(PLAIN, "p", 0);
        List<String> popped = send(POPPED, "q", 0);
        Await.until("the slave has the groups", LONG, () -> admin.examineSubscriptionGroupConfig(SLAVE, POPPERS) != null);
        Await.until("the other group's master knows who decides", LONG,
            () -> !admin.examineProducerConnectionInfo("acting-deciders", HALF).getConnectionSet().isEmpty());

        say("what waits");
        long began = System.currentTimeMillis();
        List<String> delayed = send(DELAYED, "d", 0, message -> message.setDelayTimeLevel(2));
        List<String> timed = send(TIMED, "t", 0, message -> message.setDelayTimeMs(WAITS_MS));
        PopClient here = new PopClient(NAMESRV, "broker-a", MASTER, POPPED, POPPERS);
        List<MessageExt> inFlight = new ArrayList<>();
        Await.until("all are popped", LONG, () -> {
            inFlight.addAll(here.pop(8, WAITS_MS));
            return keys(inFlight).size() == popped.size();
        });
        Set<String> open = new TreeSet<>(popped);
        for (MessageExt message : inFlight.subList(0, COUNT / 4)) {
            here.ack(message);
            open.remove(message.getKeys());
        }
        Await.until("the slave's log is the master's", LONG, () -> logEnd(SLAVE) >= logEnd(MASTER));
        Check.that(System.currentTimeMillis() < began + WAITS_MS - 5_000, "the master is killed before anything is due");

        say("killing the master");
        servers("stop-broker", "kill");
        decisions.areMade = true;
        Received late = new Received();
        DefaultMQPushConsumer reader = consumer("acting-late", PLAIN, late);
        Received.awaitExactly(LONG, plain, late);
        reader.shutdown();
        say("read from the slave");
        awaitFromOther("delayed messages", delayed, delays);
        awaitFromOther("messages with times of their own", timed, timers);
        say("delivered through the other group");
        awaitFromOther("committed messages", commits, halves);
        Await.until("rolled back", LONG, () -> decisions.checked.containsAll(rollbacks));
        Check.that(halves.keys().stream().noneMatch(key -> key.startsWith("r")), "what was rolled back is not delivered");
        say("transactions are ended through the other group");
        PopClient there = new PopClient(NAMESRV, "broker-b", OTHER, POPPED, POPPERS);
        List<MessageExt> again = new ArrayList<>();
        Await.until("what was popped and not acknowledged comes again", LONG, () -> {
            for (MessageExt message : there.pop(32, 60_000)) {
                again.add(message);
                there.ack(message);
            }
            return keys(again).containsAll(open);
        });
        if (!HAS_JAVA) {
            Check.equal(open, keys(again), "popped messages that come again");
        }
        say("popped through the other group");

        say("the master comes back");
        servers("start-broker");
        List<String> more = Await.answer("sends to the master that is back", () -> send(PLAIN, "more", 0));
        Received goesOn = new Received();
        consumer("acting-late", PLAIN, goesOn);
        Received.awaitExactly(LONG, more, goesOn);
        say("consumers go on where they were at the slave");
        Await.until("the slave follows again", LONG, () -> logEnd(SLAVE) >= logEnd(MASTER));
        List<String> moreDelayed = send(DELAYED, "again", 0, message -> message.setDelayTimeLevel(1));
        Await.until("delayed messages of the master that is back", LONG, () -> delays.keys().containsAll(moreDelayed));
        List<String> moreTimed = send(TIMED, "again", 0, message -> message.setDelayTimeMs(5_000));
        Await.until("its messages with times of their own", LONG, () -> timers.keys().containsAll(moreTimed));
        String moreHalf = half(transactions, "c-again");
        Await.until("its transactions", LONG, () -> halves.keys().contains(moreHalf));
        List<String> moreToPop = send(POPPED, "again", 0);
        List<MessageExt> popsHere = new ArrayList<>();
        Await.until("its messages that are popped", LONG, () -> {
            popsHere.addAll(here.pop(32, 60_000));
            return keys(popsHere).containsAll(moreToPop);
        });
        popsHere.addAll(here.pop(here.request(32, 60_000, 5_000)).messages());
        Check.that(halves.keys().stream().noneMatch(key -> key.startsWith("r")), "what was rolled back is not delivered");
        once("delayed messages", delayed, delays);
        once("messages with times of their own", timed, timers);
        // A Java slave reads 32 operations before it sends half messages on: those that were settled by later ones it sends, too.
        if (!SLAVE_IS_JAVA) {
            once("committed messages", commits, halves);
        }
        Set<String> twice = keys(popsHere);
        twice.removeAll(moreToPop);
        // A killed Java broker forgets what was popped last: it gives that again, also what was acknowledged. A Java slave does not say what it
        // sent to the other group.
        if (!HAS_JAVA) {
            Check.equal(Set.of(), twice, "messages that were popped before, from the master that is back");
        }
        say("what the slave delivered is not delivered a second time");
        say("done");
    }

    private static void say(String what) {
        System.out.println("acting: " + what);
    }

    private interface Change {
        void on(Message message);
    }

    private List<String> send(String topic, String prefix, int queue) throws Exception {
        return send(topic, prefix, queue, message -> { });
    }

    /** To the group whose master is killed. */
    private List<String> send(String topic, String prefix, int queue, Change change) throws Exception {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            Message message = new Message(topic, "", prefix + i, (prefix + i).getBytes());
            change.on(message);
            MessageQueue to = new MessageQueue(topic, "broker-a", queue);
            SendResult sent = Await.answer("sent " + prefix + i, () -> producer.send(message, to));
            Check.equal(SendStatus.SEND_OK, sent.getSendStatus(), "status of " + prefix + i);
            keys.add(prefix + i);
        }
        return keys;
    }

    private String half(TransactionMQProducer transactions, String key) {
        Message message = new Message(HALF, "", key, key.getBytes());
        Await.answer("sent " + key, () -> transactions.sendMessageInTransaction(message, null));
        return key;
    }

    private DefaultMQPushConsumer consumer(String group, String topic, Received received) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(NAMESRV);
        consumer.setInstanceName("acting-" + instances++);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.setHeartbeatBrokerInterval(2_000);
        consumer.setPollNameServerInterval(1_000);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(received);
        consumer.start();
        return consumer;
    }

    private void createTopic(String addr, String name) throws Exception {
        TopicConfig topic = new TopicConfig(name);
        topic.setReadQueueNums(2);
        topic.setWriteQueueNums(2);
        // A machine that is busy with the servers' starts may need longer than a call may take.
        Await.until("topic " + name + " at " + addr, () -> {
            admin.createAndUpdateTopicConfig(addr, topic);
            return true;
        });
    }

    /** All of them are received, each of them from the group that has a master. */
    private static void awaitFromOther(String what, List<String> expected, Received received) {
        try {
            Await.until(what, LONG, () -> received.keys().containsAll(expected));
        } catch (AssertionError late) {
            Set<String> missing = new TreeSet<>(expected);
            missing.removeAll(received.keys());
            throw new AssertionError(what + " that are missing: " + missing, late);
        }
        int port = Integer.parseInt(OTHER.substring(OTHER.lastIndexOf(':') + 1));
        for (MessageExt message : received.all()) {
            Check.equal(port, ((InetSocketAddress) message.getStoreHost()).getPort(), "where " + message.getKeys() + " was stored");
        }
    }

    private static void once(String what, List<String> expected, Received received) {
        Set<String> repeated = new TreeSet<>(expected);
        repeated.removeIf(key -> received.allByKey(key).size() == 1);
        Check.that(repeated.isEmpty(), what + " that are delivered more than once: " + repeated);
    }

    private static Set<String> keys(List<MessageExt> messages) {
        Set<String> keys = new TreeSet<>();
        messages.forEach(message -> keys.add(message.getKeys()));
        return keys;
    }

    private long logEnd(String addr) throws Exception {
        return Long.parseLong(admin.fetchBrokerRuntimeStats(addr).getTable().get("commitLogMaxOffset"));
    }

    private static void servers(String... command) throws Exception {
        List<String> line = new ArrayList<>(List.of(System.getProperty("acting.servers"), command[0], System.getProperty("acting.master.dir")));
        line.addAll(List.of(command).subList(1, command.length));
        Script.run(Map.of(), line);
    }
}
