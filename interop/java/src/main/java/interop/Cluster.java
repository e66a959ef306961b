package interop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** A name server and a broker under test: its addresses, its admin client, and the switch to restart it. */
public final class Cluster {
    public final String namesrv;
    private final Path dir;
    private final Object killing = new Object();
    private DefaultMQAdminExt admin;
    private static final ConcurrentHashMap<String, Cluster> OPEN = new ConcurrentHashMap<>();

    private Cluster(String namesrv, Path dir) {
        this.namesrv = namesrv;
        this.dir = dir;
    }

    /** The cluster whose address and directory are in system properties {@code interop.NAME[.dir]}. */
    public static Cluster named(String name) {
        return OPEN.computeIfAbsent(name, n -> {
            String address = System.getProperty("interop." + n);
            if (address == null) {
                throw new IllegalStateException("system property interop." + n + " (name server host:port) is missing");
            }
            String dir = System.getProperty("interop." + n + ".dir");
            return new Cluster(address, dir == null ? null : Path.of(dir));
        });
    }

    public static void closeAll() {
        OPEN.values().forEach(Cluster::close);
    }

    private synchronized void close() {
        if (admin != null) {
            admin.shutdown();
        }
    }

    public synchronized DefaultMQAdminExt admin() throws Exception {
        if (admin == null) {
            DefaultMQAdminExt fresh = new DefaultMQAdminExt();
            fresh.setNamesrvAddr(namesrv);
            fresh.setInstanceName("admin-" + System.nanoTime());
            fresh.start();
            admin = fresh;
        }
        return admin;
    }

    /** Address of the (only) broker as clients are told. */
    public String brokerAddr() throws Exception {
        return Case.retried("the broker is registered", () -> {
            var brokers = admin().examineBrokerClusterInfo().getBrokerAddrTable().values();
            if (brokers.isEmpty() && Kills.areOn()) {
                throw new IllegalStateException("it is not");
            }
            Check.equal(1, brokers.size(), "brokers in the cluster");
            return brokers.iterator().next().selectBrokerAddr();
        });
    }

    public void createTopic(String topic, int queues) throws Exception {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(queues);
        config.setWriteQueueNums(queues);
        config.setPerm(6);
        Case.retried("created " + topic, () -> {
            admin().createAndUpdateTopicConfig(brokerAddr(), config);
            return true;
        });
        Await.until("route of " + topic, () -> !admin().examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
    }

    /** Sum of the group's committed offsets over the topic's queues, as the broker tells it now. */
    public long committed(String group, String topic) throws Exception {
        long sum = 0;
        for (var entry : admin().examineConsumeStats(group).getOffsetTable().entrySet()) {
            if (entry.getKey().getTopic().equals(topic)) {
                sum += entry.getValue().getConsumerOffset();
            }
        }
        return sum;
    }

    public void awaitCommitted(String group, String topic, long sum) {
        Await.until(group + " has committed " + sum + " in " + topic, () -> Kills.areOn()
            ? committed(group, topic) >= sum && committed(group, topic) == stored(topic) : committed(group, topic) == sum);
    }

    /** How many messages are in the topic; with kills more than were sent, as some were sent again. */
    private long stored(String topic) throws Exception {
        return admin().examineTopicStats(topic).getOffsetTable().values().stream().mapToLong(queue -> queue.getMaxOffset()).sum();
    }

    /**
     * Before a kill: a broker that persists offsets only now and then (the Java one) gets the time
     * to do so. Eruca may not need it, see {@code interop.offsets}.
     */
    public void awaitPersisted(String group, String topic, long sum) {
        if (!"persisted".equals(System.getProperty("interop.offsets"))) {
            return;
        }
        Await.until("offsets on disk", () -> persistedOffsets(group, topic).stream().mapToLong(q -> q[1]).sum() == sum);
    }

    /** {@code (queueId, offset)} pairs in the broker's file of offsets; its integer keys have no quotes. */
    public List<long[]> persistedOffsets(String group, String topic) throws IOException {
        // With enableLmq it has another name.
        Path ofLmq = dir.resolve("store/config/lmqConsumerOffset.json");
        Path file = Files.exists(ofLmq) ? ofLmq : dir.resolve("store/config/consumerOffset.json");
        // A broker that was killed soon after its first start may not have written one yet.
        String json = Files.exists(file) ? Files.readString(file) : "";
        Matcher entry = Pattern.compile("\"" + Pattern.quote(topic + "@" + group) + "\"\\s*:\\s*\\{([^}]*)}").matcher(json);
        if (!entry.find()) {
            return List.of();
        }
        return Pattern.compile("\"?(\\d+)\"?\\s*:\\s*(\\d+)").matcher(entry.group(1)).results()
            .map(m -> new long[] {Long.parseLong(m.group(1)), Long.parseLong(m.group(2))})
            .toList();
    }

    /** @param how {@code clean} (SIGTERM) or {@code kill} (SIGKILL) */
    public void restartBroker(String how) throws Exception {
        servers("restart-broker", how);
    }

    /**
     * Kills the broker (-9) and starts it again; one at a time.
     *
     * @param cut so many bytes are made zeros at the end of what is in its log before it starts: a loss that has to be seen
     */
    void killBroker(int cut) throws Exception {
        synchronized (killing) {
            if (cut == 0) {
                restartBroker("kill");
                return;
            }
            servers("stop-broker", "kill");
            StoreCut.end(dir.resolve("store/commitlog"), cut);
            servers("start-broker");
        }
    }

    /** Bytes that the broker has written and not yet forced to the disk, as its own text: {@code 0 B}. */
    public String unflushed() throws Exception {
        return runtime("remainHowManyDataToFlush");
    }

    /** A row of the broker's runtime information ({@code brokerStatus}), or null. */
    public String runtime(String row) throws Exception {
        return admin().fetchBrokerRuntimeStats(brokerAddr()).getTable().get(row);
    }

    /** What the broker has said since its last start. */
    public String brokerLog() throws IOException {
        return Files.readString(dir.resolve("broker.out"));
    }

    /** Runs {@code interop/servers COMMAND DIR ARGS}. */
    public void servers(String command, String... args) throws Exception {
        run(System.getProperty("interop.servers"), command, args);
    }

    /** Runs {@code interop/faults/disk COMMAND DIR ARGS}. */
    public void disk(String command, String... args) throws Exception {
        run(System.getProperty("interop.disk"), command, args);
    }

    private void run(String script, String command, String... args) throws Exception {
        List<String> line = new ArrayList<>(List.of(script, command, dir.toString()));
        line.addAll(List.of(args));
        Script.run(Map.of(), line);
    }

    public static MessageQueue queue(String topic, int id) {
        return new MessageQueue(topic, "broker-a", id);
    }
}
