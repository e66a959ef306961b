package interop;

import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs the scripts of these suites. What they print to the error output is seen with the scenario's own. */
public final class Script {
    private static final long BOUND_SECONDS = 150;

    private Script() {
    }

    /** Waits for the end of a command line, which must be a good one. */
    public static void run(Map<String, String> environment, List<String> line) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(line)
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().putAll(environment);
        Process process = builder.start();
        if (!process.waitFor(BOUND_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError("no end of: " + line);
        }
        Check.equal(0, process.exitValue(), String.join(" ", line));
    }
}
