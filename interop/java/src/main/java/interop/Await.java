package interop;

import java.time.Duration;
import java.util.concurrent.Callable;

/** Waiting for conditions, never for time. */
public final class Await {
    /** Bound for anything that should happen soon: long enough for a loaded 2-core machine. */
    public static final Duration SOON = Duration.ofSeconds(Kills.areOn() ? 90 : 30);

    private Await() {
    }

    public static void until(String what, Callable<Boolean> condition) {
        until(what, SOON, condition);
    }

    /** Exceptions of the condition count as "not yet"; the last one is told when time is up. */
    public static void until(String what, Duration bound, Callable<Boolean> condition) {
        long deadline = System.nanoTime() + bound.toNanos();
        Exception last = null;
        while (true) {
            Kills.moment();
            try {
                if (condition.call()) {
                    return;
                }
            } catch (Exception e) {
                last = e;
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + bound.toSeconds() + " s: " + what, last);
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new AssertionError("interrupted while waiting for: " + what, e);
            }
        }
    }
}
