package interop.failover;

import interop.Await;
import interop.Case;
import interop.Script;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.rocketmq.remoting.protocol.body.BrokerReplicasInfo;

/** Brokers of one name and their controllers: processes that are killed and started, and what the controllers say of them. */
final class Group {
    static final String NAME = "broker-a";

    /** What the leading controller says. */
    record State(long masterId, String masterAddr, int masterEpoch, TreeSet<Long> inSync, boolean allAlive) {
    }

    private final Case run;
    private final List<Path> brokers = dirs("failover.brokers");
    private final List<Path> controllers = dirs("failover.controllers");
    /** Whose brokers and controllers they are, as {@code servers} wants it. */
    /** Whose brokers they are, in their order. */
    private final List<String> brokerKinds = new ArrayList<>(List.of(System.getProperty("failover.broker").split(";")));
    private final String controllerKind = System.getProperty("failover.controller");

    Group(Case run) {
        this.run = run;
    }

    private static List<Path> dirs(String property) {
        return List.of(System.getProperty(property).split(";")).stream().map(Path::of).toList();
    }

    private static String addr(Path dir, String what) throws IOException {
        return "127.0.0.1:" + Files.readString(dir.resolve(what + ".port")).trim();
    }

    private static Path withAddr(List<Path> dirs, String what, String addr) throws IOException {
        for (Path dir : dirs) {
            if (addr(dir, what).equals(addr)) {
                return dir;
            }
        }
        throw new AssertionError("no " + what + " has the address " + addr);
    }

    /** Asks any controller that answers for the one that leads, and that one for the group. Throws where none does. */
    State state() throws Exception {
        BrokerReplicasInfo.ReplicasInfo info =
            run.cluster.admin().getInSyncStateData(leader(), List.of(NAME)).getReplicasInfoTable().get(NAME);
        TreeSet<Long> inSync = new TreeSet<>();
        boolean allAlive = true;
        for (BrokerReplicasInfo.ReplicaIdentity replica : info.getInSyncReplicas()) {
            inSync.add(replica.getBrokerId());
            allAlive &= Boolean.TRUE.equals(replica.getAlive());
        }
        return new State(info.getMasterBrokerId(), info.getMasterAddress(), info.getMasterEpoch(), inSync, allAlive);
    }

    String leader() throws Exception {
        for (Path dir : controllers) {
            if (!Files.exists(dir.resolve("controller.pid"))) {
                continue;
            }
            String leader = run.cluster.admin().getControllerMetaData(addr(dir, "controller")).getControllerLeaderAddress();
            // A controller may name one that was killed until it has noticed.
            if (leader != null && !leader.isEmpty() && Files.exists(withAddr(controllers, "controller", leader).resolve("controller.pid"))) {
                return leader;
            }
        }
        throw new IllegalStateException("no controller leads");
    }

    /** Waits for a master with all brokers in sync and alive. */
    State awaitWhole() {
        Await.until("a master, and all brokers in sync", () -> {
            State state = state();
            return state.masterAddr() != null && state.inSync().size() == brokers.size() && state.allAlive();
        });
        return Await.answer("the group", this::state);
    }

    int controllerCount() {
        return controllers.size();
    }

    String other(String brokerAddr) throws IOException {
        for (Path dir : brokers) {
            if (!addr(dir, "broker").equals(brokerAddr)) {
                return addr(dir, "broker");
            }
        }
        throw new AssertionError("there is only one broker");
    }

    void killBroker(String addr) throws Exception {
        Path dir = withAddr(brokers, "broker", addr);
        servers(kind(dir), "stop-broker", dir, "kill");
    }

    void startBroker(String addr) throws Exception {
        Path dir = withAddr(brokers, "broker", addr);
        if (Boolean.getBoolean("failover.swap")) {
            // The other system goes on with the directory, as when a cluster moves.
            brokerKinds.set(brokers.indexOf(dir), kind(dir).equals("java") ? "eruca" : "java");
        }
        servers(kind(dir), "start-broker", dir);
    }

    private String kind(Path dir) {
        return brokerKinds.get(brokers.indexOf(dir));
    }

    void killController(String addr) throws Exception {
        servers(controllerKind, "stop-controller", withAddr(controllers, "controller", addr), "kill");
    }

    void startController(String addr) throws Exception {
        servers(controllerKind, "start-controller", withAddr(controllers, "controller", addr));
    }

    private static void servers(String kind, String command, Path dir, String... words) throws Exception {
        List<String> line = new ArrayList<>(List.of(System.getProperty("interop.servers"), command, dir.toString()));
        line.addAll(List.of(words));
        Script.run(Map.of("SERVER", kind), line);
    }
}
