package interop;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;

/** Waiting for conditions, never for time. */
public final class Await {
    /** Bound for anything that should happen soon. It is there that a hang ends, so it is long: machines may be slow and loaded. */
    public static final Duration SOON = Duration.ofSeconds(Long.getLong("interop.patience", Kills.areOn() ? 150 : 90));

    private Await() {
    }

    public static void until(String what, Callable<Boolean> condition) {
        until(what, SOON, condition);
    }

    /** What {@code call} answers, as soon as it does without an exception. */
    public static <T> T answer(String what, Callable<T> call) {
        AtomicReference<T> answer = new AtomicReference<>();
        until(what, () -> {
            answer.set(call.call());
            return true;
        });
        return answer.get();
    }

    /**
     * Exceptions of the condition count as "not yet"; the last one is told when time is up. Where brokers are killed again and
     * again nothing is due sooner than {@link #SOON}.
     */
    public static void until(String what, Duration least, Callable<Boolean> condition) {
        within(what, Kills.areOn() && least.compareTo(SOON) < 0 ? SOON : least, condition);
    }

    /** As {@link #until}, for what may fail, and is done anew then. */
    public static void within(String what, Duration bound, Callable<Boolean> condition) {
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
