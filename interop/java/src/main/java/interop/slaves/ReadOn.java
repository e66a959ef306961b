package interop.slaves;

import interop.Await;
import interop.Check;
import interop.Received;
import interop.Script;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** A master and a slave, of the one system or the other, as unmodified clients see them. */
public final class ReadOn {
    private static final String NAMESRV = System.getProperty("slaves.namesrv");
    private static final String MASTER = System.getProperty("slaves.master");
    private static final String SLAVE = System.getProperty("slaves.slave");
    private static final String TOPIC = "ReadOn";
    private static final Duration LONG = Duration.ofSeconds(150);
    private static int instances;

    private ReadOn() {
    }

    public static void main(String[] args) throws Exception {
        int status = 0;
        try {
            play();
        } catch (Throwable failure) {
            failure.printStackTrace();
            status = 1;
        }
        System.exit(status);
    }

    private static void play() throws Exception {
        DefaultMQAdminExt admin = new DefaultMQAdminExt(10_000);
        admin.setNamesrvAddr(NAMESRV);
        admin.start();
        TopicConfig topic = new TopicConfig(TOPIC);
        topic.setReadQueueNums(3);
        topic.setWriteQueueNums(3);
        admin.createAndUpdateTopicConfig(MASTER, topic);
        DefaultMQProducer producer = new DefaultMQProducer("p");
        producer.setNamesrvAddr(NAMESRV);
        producer.setSendMsgTimeout(5_000);
        producer.start();
        say("sending");
        List<String> first = Await.answer("a route of the topic", () -> send(producer, "first", 200));

        Received early = new Received();
        DefaultMQPushConsumer before = consumer("before", early);
        Received.awaitExactly(LONG, first, early);
        admin.examineSubscriptionGroupConfig(MASTER, "before");
        say("waiting for the slave");
        Await.until("the slave's log is the master's", LONG, () -> logEnd(admin, SLAVE) >= logEnd(admin, MASTER));
        Await.until("the slave has the topic", LONG, () -> admin.examineTopicConfig(SLAVE, TOPIC).getReadQueueNums() == 3);
        Await.until("the slave has the group", LONG, () -> admin.examineSubscriptionGroupConfig(SLAVE, "before") != null);
        // Java's slave asks once a minute how far groups are.
        before.getDefaultMQPushConsumerImpl().persistConsumerOffset();
        Await.until("the master has the offsets", LONG, () -> committed(producer, MASTER, "before") == 200);
        Await.until("the slave has the offsets", LONG, () -> committed(producer, SLAVE, "before") == 200);

        say("killing the master");
        servers("stop-broker", "kill");
        // Nothing acknowledged and replicated is lost: a group that begins now gets all of it from the slave.
        Received late = new Received();
        DefaultMQPushConsumer after = consumer("after", late);
        Received.awaitExactly(LONG, first, late);
        say("read from the slave");
        Await.until("offsets are kept by the slave", LONG, () -> committed(producer, SLAVE, "after") == 200);
        after.shutdown();
        before.shutdown();

        say("the master comes back");
        servers("start-broker");
        if (!"java".equals(System.getProperty("slaves.slave.server"))) {
            Await.until("the master is told what the slave kept", LONG, () -> committed(producer, MASTER, "after") == 200);
        }
        // Java's master writes offsets to the disk now and then: a kill takes the last ones.
        boolean isKept = committed(producer, MASTER, "before") == 200;
        Check.that(isKept || "java".equals(System.getProperty("slaves.master.server")), "offsets survive the kill of a master");
        Received again = new Received();
        consumer("before", again);
        boolean isTold = committed(producer, MASTER, "after") == 200;
        Received later = new Received();
        consumer("after", later);
        List<String> second = new ArrayList<>();
        Await.until("sends to the master that is back", LONG, () -> {
            second.addAll(send(producer, "second" + second.size(), 1));
            return second.size() >= 30;
        });
        Await.until("the group that was there before gets the new ones", LONG, () -> again.keys().containsAll(second));
        Await.until("the group that began on the slave gets them", LONG, () -> later.keys().containsAll(second));
        if (isKept) {
            Check.equal(second.size(), again.count(), "messages of the group whose offsets the master had");
        }
        if (isTold) {
            Check.equal(second.size(), later.count(), "messages of the group whose offsets the slave had");
        }
        say("done");
    }

    private static List<String> send(DefaultMQProducer producer, String prefix, int count) throws Exception {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String key = prefix + "-" + i;
            SendStatus status = producer.send(new Message(TOPIC, "", key, key.getBytes())).getSendStatus();
            Check.equal(SendStatus.SEND_OK, status, "status of " + key);
            keys.add(key);
        }
        return keys;
    }

    private static DefaultMQPushConsumer consumer(String group, Received received) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(NAMESRV);
        consumer.setInstanceName("slaves-" + instances++);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.setHeartbeatBrokerInterval(2_000);
        consumer.setPollNameServerInterval(2_000);
        consumer.subscribe(TOPIC, "*");
        consumer.registerMessageListener(received);
        consumer.start();
        return consumer;
    }

    private static long logEnd(DefaultMQAdminExt admin, String addr) throws Exception {
        return Long.parseLong(admin.fetchBrokerRuntimeStats(addr).getTable().get("commitLogMaxOffset"));
    }

    /** The sum of a group's offsets in the topic, as that broker has them. */
    private static long committed(DefaultMQProducer producer, String addr, String group) throws Exception {
        var api = producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
        long sum = 0;
        for (var stats : api.getConsumeStats(addr, group, TOPIC, 5_000).getOffsetTable().values()) {
            sum += Math.max(stats.getConsumerOffset(), 0);
        }
        return sum;
    }

    private static void servers(String command, String... more) throws Exception {
        List<String> line = new ArrayList<>(List.of(System.getProperty("slaves.servers"), command, System.getProperty("slaves.master.dir")));
        line.addAll(List.of(more));
        Script.run(Map.of("SERVER", System.getProperty("slaves.master.server")), line);
    }

    private static void say(String what) {
        System.out.println("slaves: " + what);
    }
}
