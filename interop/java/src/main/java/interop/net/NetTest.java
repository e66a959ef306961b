package interop.net;

import interop.Await;
import interop.load.Checker;
import interop.load.Checker.Claim;
import interop.load.Ledger;
import interop.load.Load;
import interop.load.Readers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * A cluster on a network that fails, under load: one fault after the other, each healed; then the cluster has to go on by itself,
 * and at the end the history must hold. System properties: {@code net.seconds} (how long faults begin), {@code net.seed},
 * {@code net.namesrvs} (addresses), {@code net.nameServers} (nodes), {@code net.groups} ({@code broker-a=a0,a1;...}, master first),
 * {@code net.controllers} (nodes): where there are any, they say who is master.
 */
public final class NetTest {
    private static final Duration BOUND = Duration.ofSeconds(100);
    private static final int HELD_MIN_MS = 2_000;
    private static final int HELD_MAX_MS = 5_000;
    private static final int QUEUES = 4;
    private static final String PLAIN = "net-plain";
    private static final String ORDERED = "net-ordered";
    private static final String LATE = "net-late";
    private static final String TRANSACTIONS = "net-transactions";

    private final Random random;
    private final String namesrvs = System.getProperty("net.namesrvs");
    private final int pauseMs = Integer.getInteger("net.pause", 8);
    private final List<Member> nameServers = members(System.getProperty("net.nameServers"), "namesrv");
    private final List<Member> controllers = members(System.getProperty("net.controllers", ""), "controller");
    private static final Pattern SET_BACK = Pattern.compile(
        "a consumer offset was set back group=\"([^\"]+)\" topic=\"([^\"]+)\" queue_id=(\\d+) before=(\\d+) offset=(\\d+)");
    private final Map<String, List<Member>> groups = new TreeMap<>();
    private final DefaultMQAdminExt admin = new DefaultMQAdminExt(3_000);
    private int passed;
    private int failed;
    private Duration slowest = Duration.ZERO;

    private NetTest(long seed) {
        random = new Random(seed);
        for (String group : System.getProperty("net.groups").split(";")) {
            groups.put(group.substring(0, group.indexOf('=')), members(group.substring(group.indexOf('=') + 1), "broker"));
        }
    }

    private static List<Member> members(String nodes, String what) {
        return List.of(nodes.split(",")).stream().filter(node -> !node.isEmpty()).map(node -> new Member(node, what)).toList();
    }

    public static void main(String[] args) throws Exception {
        long seed = Long.getLong("net.seed", System.nanoTime() % 100_000);
        System.out.println("SEED=" + seed);
        boolean good = false;
        try {
            good = new NetTest(seed).run(Path.of(System.getProperty("net.dir"), "ledger"));
        } catch (Throwable died) {
            died.printStackTrace();
        }
        // Clients leave threads behind, so the end has to be said.
        System.exit(good ? 0 : 1);
    }

    private boolean run(Path path) throws Exception {
        admin.setNamesrvAddr(namesrvs);
        admin.start();
        for (String topic : List.of(PLAIN, ORDERED, LATE, TRANSACTIONS)) {
            createTopic(topic);
        }
        Ledger ledger = new Ledger(path);
        Load load = new Load(namesrvs, ledger);
        Readers readers = new Readers(namesrvs, ledger);
        begin(load, readers);
        settle("the start", ledger, load, readers);
        long end = System.nanoTime() + Duration.ofSeconds(Integer.getInteger("net.seconds", 60)).toNanos();
        for (List<Fault> left = new ArrayList<>(); System.nanoTime() < end && failed == 0;) {
            if (left.isEmpty()) {
                left.addAll(faults());
            }
            play(left.remove(0), ledger, load, readers);
        }
        load.stop();
        step("everything acknowledged is delivered", () -> readers.awaitAll(BOUND));
        for (String topic : List.of(PLAIN, ORDERED)) {
            readers.readBack(topic);
        }
        readers.close();
        load.close();
        ledger.close();
        System.out.printf("slowest return after a fault %d ms, %d sends refused%n", slowest.toMillis(), ledger.refusedCount());
        int broken = Checker.of(setBacks(path.resolveSibling("set-backs")), path).report(unchecked());
        passed += Claim.values().length - unchecked().size() - broken;
        failed += broken;
        System.out.println(passed + " passed, " + failed + " failed");
        return failed == 0;
    }

    /**
     * Where members set an offset back, as brokers say in their logs: one that is given a queue asks for its offset before the one that had it has
     * committed its last, or asks a slave while the master is away. A Java broker does what they say, and so does Eruca.
     */
    private Path setBacks(Path ledger) throws IOException {
        List<String> entries = new ArrayList<>();
        for (var group : groups.entrySet()) {
            for (Member member : group.getValue()) {
                for (String line : member.output()) {
                    Matcher told = SET_BACK.matcher(line);
                    if (told.find()) {
                        entries.add(String.join("\t", "0", "SET_BACK", "-", told.group(1), told.group(2),
                            told.group(2) + "/" + group.getKey() + "/" + told.group(3) + "/" + told.group(5), told.group(4)));
                    }
                }
            }
        }
        System.out.println(entries.size() + " times a member set an offset back");
        return Files.write(ledger, entries);
    }

    /** A Java master writes offsets down every 5 s, and a slave asks for them every few seconds: a kill takes the last ones. */
    private Set<Claim> unchecked() {
        return !controllers.isEmpty() || groups.values().stream().anyMatch(group -> group.get(0).server().equals("java"))
            ? EnumSet.of(Claim.OFFSETS) : EnumSet.noneOf(Claim.class);
    }

    private void createTopic(String topic) {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(QUEUES);
        config.setWriteQueueNums(QUEUES);
        for (String group : groups.keySet()) {
            Await.until(topic + " is made", () -> {
                admin.createAndUpdateTopicConfig(master(group), config);
                return true;
            });
        }
        Await.until("route of " + topic, () -> admin.examineTopicRouteInfo(topic).getQueueDatas().size() == groups.size());
    }

    private void begin(Load load, Readers readers) throws Exception {
        readers.concurrently(PLAIN);
        readers.orderly(ORDERED);
        readers.concurrently(LATE);
        readers.concurrently(TRANSACTIONS);
        readers.watchOffsets();
        for (int i = 0; i < 3; i++) {
            load.plain(PLAIN, i, pauseMs);
        }
        int number = 0;
        for (String group : groups.keySet()) {
            for (int queue = 0; queue < 2; queue++) {
                load.ordered(new MessageQueue(ORDERED, group, queue), number++, pauseMs);
            }
        }
        load.late(LATE, 0, pauseMs * 4);
        load.transactions(TRANSACTIONS, 0, pauseMs * 4);
    }

    /** All of them once, in any order. */
    private List<Fault> faults() {
        List<Fault> faults = Fault.ofNameServers(nameServers);
        groups.values().forEach(group -> faults.addAll(Fault.ofGroup(group, nameServers)));
        if (!controllers.isEmpty()) {
            faults.addAll(Fault.ofControllers(controllers, groups.values().iterator().next()));
        }
        Collections.shuffle(faults, random);
        return faults;
    }

    private void play(Fault fault, Ledger ledger, Load load, Readers readers) throws Exception {
        ledger.longestGapMs();
        ledger.fault(fault.name());
        fault.begin().run();
        // Not a wait for anything: how long it lasts.
        Thread.sleep(HELD_MIN_MS + random.nextInt(HELD_MAX_MS - HELD_MIN_MS));
        fault.end().run();
        ledger.fault("end of " + fault.name());
        settle(fault.name(), ledger, load, readers);
    }

    /** The cluster goes on by itself: sends to every group, all deliveries, and the slaves have caught up. */
    private void settle(String after, Ledger ledger, Load load, Readers readers) {
        long healed = System.nanoTime();
        long[] ms = new long[3];
        step(after, () -> {
            ms[0] = load.awaitFlow(BOUND, groups.keySet()).toMillis();
            for (String group : groups.keySet()) {
                awaitSlaves(group);
            }
            ms[1] = (System.nanoTime() - healed) / 1_000_000;
            readers.awaitAll(BOUND);
            ms[2] = (System.nanoTime() - healed) / 1_000_000;
            System.out.printf("     sends %d ms, slaves %d ms, deliveries %d ms after the end; longest time without an acknowledged send %d ms%n",
                ms[0], ms[1], ms[2], ledger.longestGapMs());
        });
        Duration took = Duration.ofNanos(System.nanoTime() - healed);
        slowest = took.compareTo(slowest) > 0 ? took : slowest;
    }

    /** The address of the master of a group. */
    private String master(String group) throws Exception {
        if (controllers.isEmpty()) {
            return groups.get(group).get(0).address();
        }
        String address = admin.examineBrokerClusterInfo().getBrokerAddrTable().get(group).getBrokerAddrs().get(0L);
        return found(address, group + " is not told of a master by the name servers");
    }

    private void awaitSlaves(String group) {
        long end = Await.answer("end of the log of the master of " + group, () -> logEnd(master(group)));
        for (Member member : groups.get(group)) {
            Await.until(member.node() + " has what the master had at " + end, BOUND, () -> logEnd(member.address()) >= end);
        }
    }

    private long logEnd(String address) throws Exception {
        String end = admin.fetchBrokerRuntimeStats(address).getTable().get("commitLogMaxOffset");
        return Long.parseLong(found(end, address + " does not tell the end of its log"));
    }

    /** What is not there yet is waited for: an {@link AssertionError} would end the wait. */
    private static String found(String value, String otherwise) {
        if (value == null) {
            throw new IllegalStateException(otherwise);
        }
        return value;
    }

    private void step(String name, Fault.Act act) {
        try {
            act.run();
            System.out.println("ok   " + name);
            passed++;
        } catch (Throwable failure) {
            System.out.println("FAIL " + name);
            failure.printStackTrace(System.out);
            failed++;
        }
    }
}
