package interop.net;

import interop.Script;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A server in a namespace of its own; {@code what} is broker, namesrv or controller, as {@code interop/servers} calls them. */
record Member(String node, String what) {
    private static final Path WORK = Path.of(System.getProperty("net.dir"));
    private static final String NETWORK = System.getProperty("net.network");
    private static final String SERVERS = System.getProperty("interop.servers");

    Path dir() {
        return WORK.resolve(node);
    }

    /** The lines that it has printed since it was first started. */
    List<String> output() throws IOException {
        List<String> lines = new ArrayList<>();
        for (String name : List.of(what + ".before", what + ".out")) {
            if (Files.exists(dir().resolve(name))) {
                lines.addAll(Files.readAllLines(dir().resolve(name)));
            }
        }
        return lines;
    }

    private String note(String name) {
        try {
            return Files.readString(dir().resolve(name)).trim();
        } catch (IOException e) {
            throw new AssertionError("what " + node + " is", e);
        }
    }

    /** Eruca's or Java's: {@code eruca} or {@code java}. */
    String server() {
        return note("kind");
    }

    /** {@code host:port}, in the network of the test. */
    String address() {
        return note("address");
    }

    void kill() throws Exception {
        servers("stop-" + what, "kill");
    }

    void start() throws Exception {
        servers("start-" + what);
    }

    void pause() throws Exception {
        servers("pause-" + what);
    }

    void resume() throws Exception {
        servers("resume-" + what);
    }

    private void servers(String command, String... words) throws Exception {
        List<String> line = new ArrayList<>(List.of(NETWORK, "run", WORK.toString(), node, SERVERS, command, dir().toString()));
        line.addAll(List.of(words));
        Script.run(Map.of("SERVER", server()), line);
    }

    /** Changes the network, see {@code faults/network.py}. */
    static void network(String... words) throws Exception {
        List<String> line = new ArrayList<>(List.of(NETWORK, "tell", WORK.toString()));
        line.addAll(List.of(words));
        Script.run(Map.of(), line);
    }
}
