package bench;

/** Latencies of one thread's sends: by microseconds up to 100 ms, by milliseconds up to a minute, the rest counted as that. */
final class Latencies {
    private static final int FINE_US = 100_000;
    private static final int COARSE_MS = 60_000;

    private final int[] fine = new int[FINE_US];
    private final int[] coarse = new int[COARSE_MS + 1];
    private long total;

    void add(long nanos) {
        long micros = nanos / 1000;
        if (micros < FINE_US) {
            fine[(int) micros]++;
        } else {
            coarse[(int) Math.min(COARSE_MS, micros / 1000)]++;
        }
        total++;
    }

    void addAll(Latencies other) {
        for (int i = 0; i < fine.length; i++) {
            fine[i] += other.fine[i];
        }
        for (int i = 0; i < coarse.length; i++) {
            coarse[i] += other.coarse[i];
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
        for (int i = 0; i < fine.length; i++) {
            seen += fine[i];
            if (seen >= rank) {
                return i / 1000.0;
            }
        }
        for (int i = 0; i < coarse.length; i++) {
            seen += coarse[i];
            if (seen >= rank) {
                return i;
            }
        }
        return COARSE_MS;
    }
}
