package interop.net;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Something that is done to the cluster, and undone again. */
record Fault(String name, Act begin, Act end) {
    static final String CLIENT = "client";

    interface Act {
        void run() throws Exception;
    }

    private static Fault killed(Member... members) {
        List<String> nodes = List.of(members).stream().map(Member::node).toList();
        return new Fault("kill -9 " + String.join(" and ", nodes),
            () -> {
                for (Member member : members) {
                    member.kill();
                }
            },
            () -> startAtOnce(members));
    }

    /** Not one after the other: who was not in sync when the last one died is ready only when that one is there. */
    private static void startAtOnce(Member... members) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(members.length);
        try {
            List<Callable<Void>> starts = new ArrayList<>();
            for (Member member : members) {
                starts.add(() -> {
                    member.start();
                    return null;
                });
            }
            for (Future<Void> started : threads.invokeAll(starts)) {
                started.get();
            }
        } finally {
            threads.shutdown();
        }
    }

    private static Fault frozen(Member member) {
        return new Fault("SIGSTOP " + member.node(), member::pause, member::resume);
    }

    /** @param between two nodes, or a direction: {@code a0>a1} */
    private static Fault link(String what, List<String> between, String... changes) {
        List<String> words = new ArrayList<>(List.of("set"));
        words.addAll(between);
        words.addAll(List.of(changes));
        return new Fault(what + " " + String.join(" | ", between), () -> Member.network(words.toArray(String[]::new)),
            () -> Member.network("heal"));
    }

    /** What may happen to name servers. */
    static List<Fault> ofNameServers(List<Member> servers) {
        List<Fault> faults = new ArrayList<>();
        for (Member server : servers) {
            faults.add(killed(server));
            faults.add(frozen(server));
            faults.add(link("loss of 20 %", List.of(CLIENT, server.node()), "loss=0.2"));
        }
        faults.add(killed(servers.toArray(Member[]::new)));
        return faults;
    }

    /** What may happen to controllers, and between them and the brokers. */
    static List<Fault> ofControllers(List<Member> controllers, List<Member> brokers) {
        List<Fault> faults = new ArrayList<>();
        for (Member controller : controllers) {
            faults.add(killed(controller));
            faults.add(frozen(controller));
            faults.add(link("cut", List.of(controller.node(), brokers.get(0).node()), "cut=1"));
        }
        faults.add(killed(controllers.toArray(Member[]::new)));
        return faults;
    }

    /** What may happen to a group of brokers, the master first, and to its links. */
    static List<Fault> ofGroup(List<Member> group, List<Member> nameServers) {
        List<Fault> faults = new ArrayList<>();
        String master = group.get(0).node();
        for (Member member : group) {
            faults.add(killed(member));
            faults.add(frozen(member));
        }
        faults.add(killed(group.toArray(Member[]::new)));
        for (Member member : group.subList(1, group.size())) {
            String slave = member.node();
            faults.add(link("cut", List.of(master, slave), "cut=1"));
            faults.add(link("cut one way", List.of(master + ">" + slave), "cut=1"));
            faults.add(link("cut one way", List.of(slave + ">" + master), "cut=1"));
            faults.add(link("slow", List.of(master, slave), "rate=50000", "delay_ms=100"));
            faults.add(link("loss of 20 %", List.of(master, slave), "loss=0.2"));
        }
        faults.add(link("cut", List.of(CLIENT, master), "cut=1"));
        faults.add(link("cut one way", List.of(CLIENT + ">" + master), "cut=1"));
        faults.add(link("cut one way", List.of(master + ">" + CLIENT), "cut=1"));
        faults.add(link("loss of 10 %", List.of(CLIENT, master), "loss=0.1"));
        faults.add(link("slow", List.of(CLIENT, master), "rate=100000", "delay_ms=40"));
        for (Member server : nameServers) {
            faults.add(link("cut", List.of(server.node(), master), "cut=1"));
        }
        return faults;
    }
}
