package interop.diff;

import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Long steps with topics or groups of their own, beside each other: most of their time they wait. */
final class Phases {
    private Phases() {
    }

    static Workload.Step beside(List<Workload.Step> phases) {
        return side -> {
            ExecutorService pool = Executors.newFixedThreadPool(phases.size());
            try {
                List<Future<?>> all = phases.stream().<Future<?>>map(phase -> pool.submit(() -> {
                    phase.run(side);
                    return null;
                })).toList();
                for (Future<?> one : all) {
                    one.get();
                }
            } catch (ExecutionException e) {
                throw new IllegalStateException("a phase came to no end", e.getCause());
            } finally {
                pool.shutdownNow();
            }
        };
    }
}
