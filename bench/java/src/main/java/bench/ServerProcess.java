package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads what a server process costs from /proc. */
final class ServerProcess {
    /** USER_HZ: fixed at 100 on every Linux that matters, and not readable from Java. */
    private static final double TICKS_PER_SECOND = 100;

    private final Path proc;

    ServerProcess(long pid) {
        this.proc = Path.of("/proc", Long.toString(pid));
    }

    /** User and system time used so far, of all threads. */
    double cpuSeconds() throws IOException {
        String stat = Files.readString(proc.resolve("stat"));
        // The command name may contain spaces; fields are counted behind its closing bracket.
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / TICKS_PER_SECOND;
    }

    double residentMegabytes() throws IOException {
        for (String line : Files.readAllLines(proc.resolve("status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
            }
        }
        throw new IOException(proc + " has no VmRSS");
    }

    /**
     * Without file pages: a server that maps its log shares those with the page cache, where the
     * kernel can take them back at any time.
     */
    double anonymousMegabytes() throws IOException {
        for (String line : Files.readAllLines(proc.resolve("status"))) {
            if (line.startsWith("RssAnon:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
            }
        }
        throw new IOException(proc + " has no RssAnon");
    }
}
