package interop.takeover;

import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.Runner;
import interop.Scenario;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * {@code Takeover PHASE}: one broker's turn with a store directory that brokers of Eruca and Java hand to each other.
 * Checks that all is there which the broker before it left, adds a message of each kind, and notes what is there now.
 *
 * <p>{@code takeover.state} is the file of the notes; {@code takeover.features} are the kinds beside those that every
 * version has: {@code batchcq}, {@code many-queues}, {@code timers}, {@code pop}, {@code lite}; {@code takeover.left} is how the broker before this one
 * ended: {@code clean} or {@code kill}.
 */
public final class Takeover {
    private Takeover() {
    }

    public static void main(String[] args) throws Exception {
        int phase = Integer.parseInt(args[0]);
        Path notes = Path.of(System.getProperty("takeover.state"));
        List<String> features = List.of(System.getProperty("takeover.features", "").split(","));
        Scenario turn = Scenario.of("takeover-" + System.getProperty("takeover.name") + "-" + phase,
            c -> turn(c, phase, notes, features), "exclusive");
        int failed = new Runner().run(List.of(turn));
        Cluster.closeAll();
        System.exit(failed == 0 ? 0 : 1);
    }

    /**
     * A killed broker may not know of what it delivered last. One that was stopped does; but a Java broker after Eruca knows whole
     * slots only, and delivers again what came first in the second in which Eruca stopped.
     */
    private static int timersTwice() {
        if ("kill".equals(System.getProperty("takeover.left"))) {
            return 2;
        }
        return System.getProperty("takeover.name").endsWith("-java") ? 1 : 0;
    }

    private static void turn(Case c, int phase, Path notes, List<String> features) throws Exception {
        Traffic traffic = new Traffic(c, features);
        TransactionTraffic transactions = new TransactionTraffic(c);
        TimerTraffic timers = new TimerTraffic(c, notes.resolveSibling("recall-handles"));
        boolean hasTimers = features.contains("timers");
        Inventory inventory = new Inventory(c);
        PopTraffic pops = features.contains("pop") ? new PopTraffic(c) : null;
        LiteTraffic lites = features.contains("lite") ? new LiteTraffic(c) : null;
        if (phase == 0) {
            traffic.createTopics();
            if (lites != null) {
                lites.createTopics();
            }
            if (pops != null) {
                pops.createTopics();
            }
        } else {
            if (hasTimers) {
                timers.recall();
            }
            if (pops != null) {
                pops.check(phase - 1);
            }
            traffic.awaitPending(phase - 1);
            List<String> before = Files.readAllLines(notes);
            Check.that(before.size() > 30, "the turn before noted only " + before.size() + " facts");
            inventory.checkHolds(before, traffic.queues());
            transactions.check(phase - 1);
            traffic.checkTags(phase);
            for (int earlier = 0; earlier < phase; earlier++) {
                traffic.checkKeys(earlier);
            }
            if (hasTimers) {
                timers.check(phase - 1, timersTwice());
            }
            if (lites != null) {
                lites.check(phase - 1);
            }
        }
        new FilterTraffic(c).run(phase);
        if (lites != null) {
            lites.send(phase);
        }
        traffic.send(phase);
        traffic.checkKeys(phase);
        transactions.send(phase);
        if (pops != null) {
            pops.send(phase);
        }
        List<String> facts = inventory.facts(traffic.queues());
        Files.write(notes, facts);
        if (hasTimers) {
            // Last, so that the next broker comes in time.
            timers.send(phase);
        }
        System.out.printf("     %d facts noted%n", facts.size());
    }
}
