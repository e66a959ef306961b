package bench;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** {@code Report RESULTS.tsv RESULTS.json}: medians over the rounds, and the ratio of Eruca to Java. */
public final class Report {
    private Report() {
    }

    /** Metric → server → one value per round. */
    private static Map<String, Map<String, List<Double>>> read(Path file) throws Exception {
        Map<String, Map<String, List<Double>>> table = new LinkedHashMap<>();
        for (String line : Files.readAllLines(file)) {
            String[] fields = line.split("\t");
            table.computeIfAbsent(fields[2], m -> new LinkedHashMap<>())
                .computeIfAbsent(fields[0], s -> new ArrayList<>())
                .add(Double.parseDouble(fields[3]));
        }
        return table;
    }

    public static void main(String[] args) throws Exception {
        Map<String, Map<String, List<Double>>> table = read(Path.of(args[0]));
        StringJoiner json = new StringJoiner(",\n", "{\n", "\n}\n");
        System.out.printf("%-28s %12s %12s %14s %12s%n", "median over the rounds", "eruca", "java 5.5.0", "eruca / java", "eruca up");
        table.forEach((metric, servers) -> {
            double eruca = median(servers.get("eruca"));
            double java = median(servers.get("java"));
            double ratio = eruca / java;
            double up = median(servers.get("up"));
            System.out.printf("%-28s %12s %12s %14s %12s%n", metric, text(eruca), text(java), text(ratio), text(up));
            json.add(String.format("  \"%s\": {\"eruca\": %s, \"java\": %s, \"ratio\": %s, \"up\": %s, \"rounds\": {%s}}",
                metric, jsonNumber(eruca), jsonNumber(java), jsonNumber(ratio), jsonNumber(up), rounds(servers)));
        });
        Files.writeString(Path.of(args[1]), json.toString());
    }

    private static String rounds(Map<String, List<Double>> servers) {
        StringJoiner all = new StringJoiner(", ");
        servers.forEach((server, values) -> all.add("\"" + server + "\": " + values));
        return all.toString();
    }

    private static double median(List<Double> values) {
        if (values == null) {
            return Double.NaN;
        }
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static String text(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.3f", value) : "-";
    }

    private static String jsonNumber(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.3f", value) : "null";
    }
}
