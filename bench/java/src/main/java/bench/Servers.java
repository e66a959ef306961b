package bench;

import java.io.IOException;
import java.util.List;

/** The processes of the system under test: the broker, and the name server if it is one of its own. */
final class Servers {
    private final ServerProcess broker;
    private final List<ServerProcess> all;
    private volatile double residentPeak;
    private volatile double anonymousPeak;
    private Thread sampler;

    /** @param pids the broker's first */
    Servers(List<Long> pids) {
        all = pids.stream().map(ServerProcess::new).toList();
        broker = all.get(0);
    }

    double brokerCpuSeconds() throws IOException {
        return broker.cpuSeconds();
    }

    double residentMegabytes() throws IOException {
        double sum = 0;
        for (ServerProcess process : all) {
            sum += process.residentMegabytes();
        }
        return sum;
    }

    double anonymousMegabytes() throws IOException {
        double sum = 0;
        for (ServerProcess process : all) {
            sum += process.anonymousMegabytes();
        }
        return sum;
    }

    void startSampling() {
        sampler = new Thread(() -> {
            try {
                while (true) {
                    residentPeak = Math.max(residentPeak, residentMegabytes());
                    anonymousPeak = Math.max(anonymousPeak, anonymousMegabytes());
                    Thread.sleep(100);
                }
            } catch (IOException | InterruptedException e) {
                // stopped, or the server is gone, which the load itself will notice
            }
        }, "rss-sampler");
        sampler.setDaemon(true);
        sampler.start();
    }

    void stopSampling() {
        sampler.interrupt();
    }

    double residentPeak() {
        return residentPeak;
    }

    double anonymousPeak() {
        return anonymousPeak;
    }
}
