package bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * {@code Load send|consume|lite NAMESRV BROKER-PID[,NAMESRV-PID] [BROKER]}: measures one running system and prints
 * {@code metric TAB value} lines. Sizes come from system properties, see {@code bench/run}.
 */
public final class Load {
    private Load() {
    }

    public static void main(String[] args) throws Exception {
        List<Long> pids = Arrays.stream(args[2].split(",")).map(Long::valueOf).toList();
        Servers servers = new Servers(pids);
        switch (args[0]) {
            case "send" -> {
                servers.startSampling();
                try (SendLoad send = new SendLoad(args[1], servers)) {
                    send.run();
                }
            }
            case "consume" -> {
                servers.startSampling();
                ConsumeLoad.run(args[1], servers);
            }
            case "lite" -> {
                servers.startSampling();
                try (LiteLoad lite = new LiteLoad(args[1], args[3], servers)) {
                    lite.run();
                }
            }
            default -> throw new IllegalArgumentException("send, consume or lite, not " + args[0]);
        }
        servers.stopSampling();
        report("rss_peak_mb", servers.residentPeak());
        report("rss_peak_anonymous_mb", servers.anonymousPeak());
        // Client threads would keep the process alive.
        System.exit(0);
    }

    static void report(String metric, double value) {
        System.out.printf(Locale.ROOT, "%s\t%.3f%n", metric, value);
    }
}
