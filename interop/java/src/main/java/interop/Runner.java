package interop;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs scenarios side by side (they mostly wait), then those which disturb others one by one. */
public final class Runner {
    private static final int SIDE_BY_SIDE = 5;
    private static final long BOUND_SECONDS = 300;
    /** Each of them waits for the others' restarts most of the time. */
    private static final int SIDE_BY_SIDE_KILLED = 10;
    /**
     * So many may be played once more, alone, and count by that: clients give up after their own seconds, which a machine that
     * stands still for a moment uses up. More than that is no accident.
     */
    private static final int SECOND_TRIES = 3;
    /** What one kill of many loses may be there the next time: a scenario with a kill, at the same moment, has to pass each time. */
    private static final int TRIES_KILLED = 3;

    private final Set<String> failures = new LinkedHashSet<>();

    /** @return how many failed */
    public int run(List<Scenario> scenarios) throws InterruptedException {
        List<Scenario> shared = scenarios.stream().filter(s -> !s.tags().contains("exclusive")).toList();
        List<Scenario> exclusive = scenarios.stream().filter(s -> s.tags().contains("exclusive")).toList();
        runPool(shared, Kills.areOn() ? SIDE_BY_SIDE_KILLED : SIDE_BY_SIDE);
        runPool(exclusive, 1);
        secondTries(scenarios);
        int failed = failures.size();
        failures.forEach(name -> System.out.println("FAILED " + name));
        System.out.println((scenarios.size() - failed) + " passed, " + failed + " failed");
        return failed;
    }

    private void secondTries(List<Scenario> scenarios) throws InterruptedException {
        List<Scenario> again = scenarios.stream().filter(s -> failures.contains(s.name())).toList();
        if (again.size() > SECOND_TRIES || Kills.loseSomething()) {
            return;
        }
        failures.clear();
        for (int tries = Kills.areOn() ? TRIES_KILLED : 1; tries > 0; tries--) {
            again.forEach(s -> System.out.println("once more, alone: " + s.name()));
            runPool(again, 1);
        }
    }

    private void runPool(List<Scenario> scenarios, int threads) throws InterruptedException {
        ExecutorService pool = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "scenario");
            thread.setDaemon(true);
            return thread;
        });
        scenarios.stream().map(s -> pool.submit(() -> runOne(s))).toList().forEach(Runner::join);
        pool.shutdownNow();
    }

    private void runOne(Scenario scenario) {
        long start = System.nanoTime();
        Throwable failure = outcome(scenario);
        long ms = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        synchronized (this) {
            System.out.printf("%-4s %-40s %6d ms%n", failure == null ? "ok" : "FAIL", scenario.name(), ms);
            if (failure != null) {
                failures.add(scenario.name());
                StringWriter trace = new StringWriter();
                failure.printStackTrace(new PrintWriter(trace));
                System.out.print(trace.toString().lines().limit(25).map(l -> "     " + l + "\n")
                    .reduce("", String::concat));
            }
            System.out.flush();
        }
    }

    /** A thread of its own, so that a client call which never returns fails one scenario, not the run. */
    private Throwable outcome(Scenario scenario) {
        ExecutorService single = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, scenario.name());
            thread.setDaemon(true);
            return thread;
        });
        Callable<Void> call = () -> {
            Kills.with(scenario);
            return null;
        };
        try {
            single.submit(call).get(BOUND_SECONDS, TimeUnit.SECONDS);
            return null;
        } catch (ExecutionException e) {
            return e.getCause();
        } catch (TimeoutException e) {
            return new AssertionError("no end after " + BOUND_SECONDS + " s");
        } catch (InterruptedException e) {
            return e;
        } finally {
            single.shutdownNow();
        }
    }

    private static void join(Future<?> future) {
        try {
            future.get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
