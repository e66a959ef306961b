package interop.faults;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Runner;
import interop.Scenario;
import java.io.File;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.common.TopicConfig;

/**
 * {@code FaultTest [NAME-PREFIX]...}: a broker whose disk is full or fails. The store of the cluster {@code main} is
 * on a disk of {@code interop/faults/disk}; {@code interop.eruca} is the binary, for {@code eruca health}.
 */
public final class FaultTest {
    private static final int EXIT_STOPPED = 3;
    private static final Pattern ROOM = Pattern.compile("the disk of \\S+/store/commitlog is full: (\\d+) bytes free, (\\d+) needed");
    /** Left over on the disk by {@code disk fill}. */
    private static final String NOTHING = "0";
    private static final String LITTLE = "6000000";
    /** More than the disk holds. */
    private static final long TRAFFIC_BYTES = 150_000_000;

    private static final List<Scenario> LIST = List.of(
        Scenario.of("full-to-the-last-byte", c -> fullDisk(c, NOTHING), "exclusive"),
        Scenario.of("full-almost", c -> fullDisk(c, LITTLE), "exclusive"),
        Scenario.of("no-more-files", FaultTest::noMoreFiles, "exclusive"),
        Scenario.of("failing-sync-sync-flush-lost", c -> failingDisk(c, "SYNC_FLUSH", "sync", "drop"), "exclusive"),
        Scenario.of("failing-sync-sync-flush-kept", c -> failingDisk(c, "SYNC_FLUSH", "sync", "keep"), "exclusive"),
        Scenario.of("failing-sync-async-flush", c -> failingDisk(c, "ASYNC_FLUSH", "sync", "drop"), "exclusive"),
        Scenario.of("failing-write-sync-flush", c -> failingDisk(c, "SYNC_FLUSH", "write"), "exclusive"),
        Scenario.of("failing-thin-volume-full", c -> failingDisk(c, "ASYNC_FLUSH", "space"), "exclusive"),
        Scenario.of("more-traffic-than-disk", FaultTest::moreTrafficThanDisk, "exclusive"));

    private FaultTest() {
    }

    public static void main(String[] args) throws Exception {
        List<String> wanted = List.of(args);
        List<Scenario> chosen = LIST.stream()
            .filter(s -> wanted.isEmpty() || wanted.stream().anyMatch(s.name()::startsWith)).toList();
        int failed = new Runner().run(chosen);
        Cluster.closeAll();
        System.exit(failed == 0 && !chosen.isEmpty() ? 0 : 1);
    }

    /** Sends are refused and reads go on, also after a kill; with room again sends go on without a restart. */
    private static void fullDisk(Case c, String bytesLeft) throws Exception {
        Probe probe = new Probe(c);
        probe.send(100);
        Await.until("an offset is committed", () -> probe.commit(40));
        c.cluster.disk("fill", bytesLeft);

        Matcher room = ROOM.matcher(probe.sendUntilRefused());
        Check.that(room.find(), "the remark tells path, room and need: " + probe.sendUntilRefused());
        Check.that(Long.parseLong(room.group(1)) < Long.parseLong(room.group(2)), "less is free than needed: " + room.group());
        checkStopped(c, "is full");
        probe.checkExactly();
        // What is acknowledged now has found its room; what has not must say so.
        boolean isCommitted = probe.commit(60);
        String topic = c.freshName();
        boolean isCreated = createTopic(c, topic);
        System.out.printf("     full disk: offset %s, topic %s%n",
            isCommitted ? "taken" : "refused", isCreated ? "taken" : "refused");

        c.cluster.servers("restart-full-broker");
        probe.checkExactly();
        Check.that(probe.committed() >= (isCommitted ? 60 : 40), "committed offset " + probe.committed());
        Check.that(!isCreated || hasTopic(c, topic), "the topic that was acknowledged is there");
        Check.that(ROOM.matcher(probe.sendUntilRefused()).find(), "refused after the restart, too");
        checkStopped(c, "is full");

        c.cluster.disk("free");
        probe.sendUntilTaken();
        Check.equal("open", c.cluster.runtime("storeWriteState"), "storeWriteState");
        Check.equal(0, health(c), "exit code of eruca health");
        probe.send(100);
        Await.until("offsets are committed again", () -> probe.commit(80));
        Await.until("topics are created again", () -> createTopic(c, topic));

        c.cluster.restartBroker("kill");
        probe.checkExactly();
        Check.equal(80L, probe.committed(), "committed offset");
        Check.that(hasTopic(c, topic), "the topic is there");
    }

    /** A limit of the process and not of the disk: sends go on as soon as files can be opened. */
    private static void noMoreFiles(Case c) throws Exception {
        Probe probe = new Probe(c);
        probe.send(10);
        // All clients are connected then: another connection would need a file.
        probe.checkExactly();
        c.cluster.runtime("storeWriteState");
        c.cluster.servers("limit-broker-files", "few");
        String remark = probe.sendUntilRefused();
        Check.that(remark.contains("Too many open files") && remark.contains("LimitNOFILE"), "the remark: " + remark);
        Check.equal("stopped", c.cluster.runtime("storeWriteState"), "storeWriteState");
        probe.checkExactly();
        c.cluster.servers("limit-broker-files", "many");
        probe.sendUntilTaken();
        probe.send(500);
        c.cluster.restartBroker("kill");
        probe.checkExactly();
    }

    /** Nothing is taken until a restart, also when the disk works again; what was acknowledged as safe is there then. */
    private static void failingDisk(Case c, String flush, String... fault) throws Exception {
        c.cluster.servers("restart-broker", "clean", "flushDiskType=" + flush);
        Probe probe = new Probe(c);
        probe.send(100);
        Await.until("all is flushed", () -> "0 B".equals(c.cluster.unflushed()));
        long flushedEnd = probe.end();
        String[] command = new String[fault.length + 1];
        command[0] = "fail";
        System.arraycopy(fault, 0, command, 1, fault.length);
        c.cluster.disk("fault", command);

        String remark = probe.sendUntilRefused();
        Check.that(remark.contains("/store/") && remark.contains("failed (") && remark.contains("until a restart"), "the remark: " + remark);
        checkStopped(c, "until a restart");
        probe.check();
        c.cluster.disk("fault", "heal");
        Check.that(probe.sendUntilRefused().contains("until a restart"), "refused although the disk works again");
        Check.equal(1L, c.cluster.brokerLog().lines().filter(line -> line.contains("writing stopped")).count(), "lines in the log");

        // What the kernel has and the disk has not must not be what a restart finds.
        c.cluster.disk("cut", "7");
        c.cluster.servers("start-broker");
        if ("ASYNC_FLUSH".equals(flush)) {
            probe.giveUpLost(flushedEnd);
        }
        probe.sendUntilTaken();
        probe.send(50);
        probe.check();
        Check.equal("open", c.cluster.runtime("storeWriteState"), "storeWriteState");
        Check.equal(0, health(c), "exit code of eruca health");
    }

    /** Where old messages may go to make room, sends are refused for a while at most. */
    private static void moreTrafficThanDisk(Case c) throws Exception {
        c.cluster.servers("restart-broker", "clean", "cleanFileForciblyEnable=true");
        Probe probe = new Probe(c);
        long refusals = 0;
        long deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
        while (probe.bytes() < TRAFFIC_BYTES) {
            try {
                probe.send(100);
            } catch (MQBrokerException e) {
                refusals++;
                probe.sendUntilTaken();
            }
            Check.that(System.nanoTime() < deadline, "only " + probe.bytes() + " bytes were taken within 120 s");
        }
        long start = probe.forgetDeleted();
        Check.that(start > 0, "old messages made room");
        probe.checkFrom(start);
        System.out.printf("     %d messages were deleted, %d sends refused meanwhile%n", start, refusals);
        c.cluster.restartBroker("kill");
        probe.checkFrom(probe.forgetDeleted());
    }

    private static void checkStopped(Case c, String reason) throws Exception {
        Check.equal("stopped", c.cluster.runtime("storeWriteState"), "storeWriteState");
        String told = c.cluster.runtime("storeWriteStoppedReason");
        Check.that(told.contains(reason), "storeWriteStoppedReason: " + told);
        long since = Long.parseLong(c.cluster.runtime("storeWriteStoppedSince"));
        Check.that(Math.abs(System.currentTimeMillis() - since) < 120_000, "storeWriteStoppedSince: " + since);
        Check.equal(EXIT_STOPPED, health(c), "exit code of eruca health");
        Check.that(c.cluster.brokerLog().contains("writing stopped"), "the log says so");
    }

    private static int health(Case c) throws Exception {
        return new ProcessBuilder(System.getProperty("interop.eruca"), "health", "-n", c.cluster.namesrv)
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectErrorStream(true).start().waitFor();
    }

    private static boolean createTopic(Case c, String topic) {
        try {
            c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), new TopicConfig(topic));
            return true;
        } catch (Exception e) {
            return false;
        }
    }

    private static boolean hasTopic(Case c, String topic) {
        try {
            return c.cluster.admin().examineTopicConfig(c.cluster.brokerAddr(), topic) != null;
        } catch (Exception e) {
            return false;
        }
    }
}
