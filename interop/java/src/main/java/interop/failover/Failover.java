package interop.failover;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Cluster;
import interop.failover.Group.State;
import java.util.concurrent.TimeUnit;

/**
 * Two brokers in controller mode under a client that sends all the time: masters and controllers are killed, the client goes on
 * by itself, and nothing that was acknowledged is lost. The steps build on each other; the first that fails is the last.
 */
public final class Failover {
    private interface Step {
        void run() throws Exception;
    }

    private final Group group;
    private final Case run;
    private Traffic traffic;
    private State state;
    private int passed;

    private Failover(Case run) {
        this.run = run;
        group = new Group(run);
    }

    public static void main(String[] args) throws Exception {
        boolean failed = false;
        try (Case run = Case.of("failover", "main")) {
            failed = !new Failover(run).run();
        }
        Cluster.closeAll();
        // Clients leave threads behind, so the end has to be said.
        System.exit(failed ? 1 : 0);
    }

    private boolean run() {
        boolean all = step("ids are given, a master is elected, both are in sync", this::form)
            && step("the client is served", this::serve)
            && step("the master is killed: the other one is elected, the client goes on", this::killMaster)
            && step("the old master comes back as a slave", this::oldMasterComesBack)
            && step("the leading controller is killed: sends go on, the master stays", this::killController)
            && step("the master is killed again", this::killMaster)
            && step("and comes back", this::oldMasterComesBack)
            && step("nothing that was acknowledged is lost", () -> traffic.checkAllThere());
        System.out.println(passed + " passed, " + (all ? 0 : 1) + " failed");
        return all;
    }

    private boolean step(String name, Step step) {
        long start = System.nanoTime();
        try {
            step.run();
            System.out.printf("ok   %s %d ms%n", name, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
            passed++;
            return true;
        } catch (Throwable failure) {
            System.out.println("FAIL " + name);
            failure.printStackTrace(System.out);
            return false;
        }
    }

    private void form() {
        state = group.awaitWhole();
        Check.that(state.inSync().contains(state.masterId()), "the master is in sync: " + state);
        Check.equal(1L, state.inSync().first(), "the smallest id");
        Check.equal(2L, state.inSync().last(), "the other id");
    }

    private void serve() throws Exception {
        String topic = run.freshTopic(4);
        String slave = group.other(state.masterAddr());
        Await.until("the slave has the topic", () -> run.cluster.admin().examineTopicConfig(slave, topic) != null);
        traffic = new Traffic(run, topic);
        traffic.awaitMore(50);
    }

    private void killMaster() throws Exception {
        String old = state.masterAddr();
        long killed = System.nanoTime();
        group.killBroker(old);
        Await.until("the other broker is master", () -> group.other(old).equals(group.state().masterAddr()));
        long elected = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - killed);
        System.out.printf("     kill -9 of the master: another one after %d ms, the client's next message accepted after %d ms%n",
            elected, traffic.firstAfter(killed + TimeUnit.MILLISECONDS.toNanos(50)) + 50);
        traffic.awaitMore(20);
        State now = group.state();
        Check.that(now.masterEpoch() > state.masterEpoch(), "the epoch grows: " + state + ", " + now);
        Check.that(!now.inSync().contains(state.masterId()), "the dead one is not in sync: " + now);
        state = now;
    }

    private void oldMasterComesBack() throws Exception {
        group.startBroker(group.other(state.masterAddr()));
        State now = group.awaitWhole();
        Check.equal(state.masterId(), now.masterId(), "the master");
        Check.equal(state.masterEpoch(), now.masterEpoch(), "its epoch");
        state = now;
        traffic.awaitMore(20);
    }

    private void killController() throws Exception {
        String leader = group.leader();
        group.killController(leader);
        traffic.awaitMore(20);
        if (group.controllerCount() > 1) {
            String next = Await.answer("another controller leads", group::leader);
            Check.that(!next.equals(leader), "another one: " + next);
        } else {
            group.startController(leader);
        }
        State now = group.awaitWhole();
        Check.equal(state.masterId(), now.masterId(), "the master");
        Check.equal(state.masterEpoch(), now.masterEpoch(), "its epoch");
        traffic.awaitMore(20);
        if (group.controllerCount() > 1) {
            group.startController(leader);
        }
    }
}
