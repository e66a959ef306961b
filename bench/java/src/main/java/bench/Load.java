package bench;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * {@code Load idle|load NAMESRV BROKER-PID[,NAMESRV-PID]}: measures one running system and prints
 * {@code metric TAB value} lines. Sizes come from system properties, see {@code bench/run}.
 */
public final class Load {
    private Load() {
    }

    public static void main(String[] args) throws Exception {
        List<Long> pids = Arrays.stream(args[2].split(",")).map(Long::valueOf).toList();
        Servers servers = new Servers(pids);
        switch (args[0]) {
            case "idle" -> idle(servers);
            case "load" -> {
                servers.startSampling();
                try (SendLoad send = new SendLoad(args[1], servers)) {
                    send.run();
                }
                ConsumeLoad.run(args[1], servers);
                servers.stopSampling();
                report("rss_load_mb", servers.residentPeak());
                report("rss_load_anonymous_mb", servers.anonymousPeak());
            }
            default -> throw new IllegalArgumentException("idle or load, not " + args[0]);
        }
        // Client threads would keep the process alive.
        System.exit(0);
    }

    private static void idle(Servers servers) throws IOException, InterruptedException {
        int seconds = Integer.getInteger("bench.idleSeconds", 5);
        double before = servers.brokerCpuSeconds();
        Thread.sleep(seconds * 1000L);
        report("idle_cpu_percent", (servers.brokerCpuSeconds() - before) * 100 / seconds);
        report("rss_idle_mb", servers.residentMegabytes());
        report("rss_idle_anonymous_mb", servers.anonymousMegabytes());
    }

    static void report(String metric, double value) {
        System.out.printf(Locale.ROOT, "%s\t%.3f%n", metric, value);
    }
}
