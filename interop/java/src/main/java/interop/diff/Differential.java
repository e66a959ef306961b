package interop.diff;

import interop.Case;
import interop.Cluster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * {@code Differential SEED...}: gives the same random work to two systems, {@code interop.main} (Eruca) and
 * {@code interop.java} (Apache RocketMQ), through the same client, and compares all that can be seen of them.
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
        ExecutorService pool = Executors.newFixedThreadPool(2);
        Known known = new Known();
        int failed = 0;
        for (String seed : args) {
            Workload workload = new Workload(Long.parseLong(seed));
            try (Case main = Case.of("diff", "main"); Case java = Case.of("diff", "java")) {
                Side eruca = new Side(main);
                Side other = new Side(java);
                Future<?> first = pool.submit(() -> workload.run(eruca));
                Future<?> second = pool.submit(() -> workload.run(other));
                try {
                    first.get();
                    second.get();
                } finally {
                    write(seed + "-eruca", eruca);
                    write(seed + "-java", other);
                }
                List<String> differences = compare(eruca, other, known);
                System.out.printf("seed %s: %d observations, %d unexplained differences%n", seed,
                    eruca.transcript.size(), differences.size());
                differences.forEach(System.out::println);
                failed += differences.isEmpty() ? 0 : 1;
            }
        }
        known.print();
        System.out.println((args.length - failed) + " passed, " + failed + " failed");
        Cluster.closeAll();
        return failed == 0;
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
