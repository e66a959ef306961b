package interop.diff;

import interop.Case;
import interop.Cluster;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * {@code Differential SEED...}: gives the same random work to two systems, {@code interop.main} (Eruca) and
 * {@code interop.java} (Apache RocketMQ), through the same client, and compares all that can be seen of them. With {@code interop.plant} both
 * are Eruca, and what differs is what {@link Plants} changed: all of that, and nothing else.
 */
public final class Differential {
    private Differential() {
    }

    public static void main(String[] args) {
        // Clients leave threads behind, so the end has to be said.
        try {
            System.exit(run(args) ? 0 : 1);
        } catch (Exception | AssertionError e) {
            e.printStackTrace(System.out);
            System.exit(1);
        }
    }

    private static boolean run(String[] args) throws Exception {
        Known known = new Known();
        int failed = 0;
        for (String seed : args) {
            List<String> differences = differences(seed, 0, known);
            if (!differences.isEmpty()) {
                // Both systems and the client share one machine: where it stands still for seconds, they give up waiting.
                System.out.println("once more, whether it differs again: seed " + seed);
                differences = differences(seed, 1, known);
            }
            failed += differences.isEmpty() ? 0 : 1;
        }
        known.print();
        System.out.println((args.length - failed) + " passed, " + failed + " failed");
        Cluster.closeAll();
        return failed == 0;
    }

    private static List<String> differences(String seed, int attempt, Known known) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2);
        Workload workload = new Workload(Long.parseLong(seed), attempt);
        String name = attempt == 0 ? seed : seed + "-again";
        try (Case main = Case.of("diff", "main"); Case java = Case.of("diff", "java")) {
            Plants plants = Boolean.getBoolean("interop.plant") ? new Plants(workload.prefix()) : null;
            Side eruca = new Side(main, plants);
            Side other = new Side(java, null);
            Future<?> first = pool.submit(() -> workload.run(eruca));
            Future<?> second = pool.submit(() -> workload.run(other));
            try {
                first.get();
                second.get();
            } catch (ExecutionException e) {
                StringWriter trace = new StringWriter();
                e.getCause().printStackTrace(new PrintWriter(trace));
                System.out.println("seed " + name + " came to no end: " + trace);
                return List.of(trace.toString());
            } finally {
                write(name + "-eruca", eruca);
                write(name + "-java", other);
                pool.shutdownNow();
            }
            List<String> differences = plants == null ? compare(eruca, other, known) : plants.unseen(compare(eruca, other, Known.nothing()));
            System.out.printf("seed %s: %d observations, %d unexplained differences%n", name,
                eruca.transcript.size(), differences.size());
            differences.forEach(System.out::println);
            return differences;
        }
    }

    /** Everything that was seen, for those who look into a difference (KEEP=1). */
    private static void write(String name, Side side) throws IOException {
        StringBuilder text = new StringBuilder();
        side.transcript.forEach((step, seen) -> text.append(step).append("\n  ").append(seen).append(said(side, step)).append('\n'));
        Files.writeString(Path.of(System.getProperty("user.home"), "seen-" + name), text);
    }

    private static List<String> compare(Side eruca, Side java, Known known) {
        TreeSet<String> steps = new TreeSet<>(eruca.transcript.keySet());
        steps.addAll(java.transcript.keySet());
        List<String> differences = new ArrayList<>();
        for (String step : steps) {
            String ours = eruca.transcript.getOrDefault(step, "nothing");
            String theirs = java.transcript.getOrDefault(step, "nothing");
            if (!ours.equals(theirs) && !known.explains(step, ours, theirs)) {
                differences.add("DIFFERS " + step + "\n  java:  " + theirs + said(java, step) + "\n  eruca: " + ours + said(eruca, step));
            }
        }
        return differences;
    }

    private static String said(Side side, String step) {
        String remark = side.remarks.get(step);
        return remark == null ? "" : "\n    said: " + remark.lines().findFirst().orElse("");
    }
}
