package interop.crash;

import interop.Await;
import interop.Cluster;
import interop.crash.History.Claim;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.common.TopicConfig;

/** Creates and deletes topics. What was acknowledged of both is so after any crash. */
final class TopicChurn implements AutoCloseable {
    private static final int PAUSE_MS = 40;
    /** After so many topics one is deleted. */
    private static final int DELETE_EVERY = 3;

    private final Cluster cluster;
    private final History history;
    private final String brokerAddr;
    private final TreeSet<String> created = new TreeSet<>();
    private final Set<String> deleted = new HashSet<>();
    private final Thread thread = new Thread(this::run, "topics");
    private volatile boolean stopped;

    TopicChurn(Cluster cluster, History history) throws Exception {
        this.cluster = cluster;
        this.history = history;
        this.brokerAddr = cluster.brokerAddr();
    }

    void start() {
        thread.start();
    }

    private void run() {
        try {
            int count = 0;
            for (int i = 0; !stopped; i++) {
                if (create("crash-topic-" + i) && ++count % DELETE_EVERY == 0) {
                    delete(created.pollFirst());
                }
                Thread.sleep(PAUSE_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean create(String topic) throws InterruptedException {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(2);
        config.setWriteQueueNums(2);
        config.setPerm(6);
        return acknowledged(topic, created, () -> cluster.admin().createAndUpdateTopicConfig(brokerAddr, config));
    }

    private void delete(String topic) throws InterruptedException {
        acknowledged(topic, deleted, () -> cluster.admin().deleteTopicInBroker(Set.of(brokerAddr), topic));
    }

    private interface Change {
        void make() throws Exception;
    }

    /** Where the broker does not answer nobody knows whether it made the change: such a topic is not looked at again. */
    private boolean acknowledged(String topic, Set<String> noted, Change change) throws InterruptedException {
        try {
            change.make();
        } catch (InterruptedException e) {
            throw e;
        } catch (Exception e) {
            return false;
        }
        return noted.add(topic);
    }

    /** After {@link #close}. */
    void check() throws Exception {
        Set<String> there = Await.answer("all topics",
            () -> cluster.admin().getAllTopicConfig(brokerAddr, 10_000).getTopicConfigTable().keySet());
        created.stream().filter(topic -> !there.contains(topic)).forEach(topic ->
            history.violation(Claim.TOPICS_STAY, topic + " was created and is gone"));
        deleted.stream().filter(there::contains).forEach(topic ->
            history.violation(Claim.TOPICS_STAY, topic + " was deleted and is there"));
        System.out.printf("%d topics acknowledged as created and kept, %d as deleted%n", created.size(), deleted.size());
    }

    @Override
    public void close() throws InterruptedException {
        stopped = true;
        thread.join();
    }
}
