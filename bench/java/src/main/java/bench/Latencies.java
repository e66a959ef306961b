package bench;

/** Microseconds of one thread's sends: exact up to a limit, the rest counted as the limit. */
final class Latencies {
    private static final int LIMIT_US = 200_000;

    private final int[] counts = new int[LIMIT_US + 1];
    private long total;

    void add(long nanos) {
        counts[(int) Math.min(LIMIT_US, nanos / 1000)]++;
        total++;
    }

    void addAll(Latencies other) {
        for (int i = 0; i < counts.length; i++) {
            counts[i] += other.counts[i];
        }
        total += other.total;
    }

    long total() {
        return total;
    }

    /** @param part 0.5 for the median */
    double percentileMs(double part) {
        long rank = (long) Math.ceil(total * part);
        long seen = 0;
        for (int i = 0; i < counts.length; i++) {
            seen += counts[i];
            if (seen >= rank) {
                return i / 1000.0;
            }
        }
        return LIMIT_US / 1000.0;
    }
}
