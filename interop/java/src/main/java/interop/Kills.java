package interop;

import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * With system property {@code interop.kills} (a seed) each scenario has its broker killed (-9) and started again in its midst:
 * at one of the moments that it passes on its way, which are its calls ({@link Case#retried}) and the looks of {@link Await} at what it waits for.
 * What is checked is weaker then where at-least-once allows more: a message may come twice. It is never lost, early or out of
 * order.
 */
public final class Kills {
    private static final Long SEED = Long.getLong("interop.kills");
    /** Scenarios pass more; where one ends before its moment, it runs again with an earlier one. */
    private static final int FIRST_MOMENTS = 60;
    /** A self check of these suites: so many bytes are missing at the end of the log when a killed broker starts again. */
    private static final int CUT = Integer.getInteger("interop.cut", 0);
    /** Threads that a scenario makes pass its moments, too. */
    private static final InheritableThreadLocal<Kills> CURRENT = new InheritableThreadLocal<>();

    private final int at;
    private final AtomicInteger passed = new AtomicInteger();
    private volatile Cluster cluster;
    private volatile boolean isOver;

    private Kills(Cluster cluster, int at) {
        this.cluster = cluster;
        this.at = at;
    }

    public static boolean areOn() {
        return SEED != null;
    }

    /** Whether scenarios are to fail, as killed brokers lose something. */
    static boolean loseSomething() {
        return CUT > 0;
    }

    /** A moment at which the broker may be killed. */
    public static void moment() {
        Kills mine = CURRENT.get();
        if (mine == null || mine.isOver || mine.passed.incrementAndGet() != mine.at) {
            return;
        }
        try {
            mine.cluster.killBroker(CUT);
        } catch (Exception e) {
            throw new IllegalStateException("the broker cannot be killed and started again", e);
        }
    }

    /** The scenario goes on with this cluster: it is the one whose broker is killed. */
    static void isOn(Cluster cluster) {
        Kills mine = CURRENT.get();
        if (mine != null) {
            mine.cluster = cluster;
        }
    }

    /** Runs a scenario, with a kill in its midst if kills are on. */
    static void with(Scenario scenario) throws Exception {
        if (!areOn()) {
            run(scenario);
            return;
        }
        Random random = new Random(SEED ^ scenario.name().hashCode());
        int moments = FIRST_MOMENTS;
        while (true) {
            Kills kills = new Kills(Cluster.named("main"), 1 + random.nextInt(moments));
            CURRENT.set(kills);
            try {
                run(scenario);
            } catch (Exception | AssertionError e) {
                throw new AssertionError("killed at moment " + kills.at + " of " + kills.passed + ": " + e.getMessage(), e);
            } finally {
                kills.isOver = true;
                CURRENT.remove();
            }
            if (kills.passed.get() >= kills.at) {
                return;
            }
            Check.that(moments > 1, scenario.name() + " has no moment to be killed at");
            moments = Math.max(1, Math.min(kills.passed.get(), kills.at - 1));
        }
    }

    private static void run(Scenario scenario) throws Exception {
        try (Case c = new Case(scenario.name(), Cluster.named("main"))) {
            scenario.body().run(c);
        }
    }
}
