package interop.scenarios;

import interop.Await;
import interop.Case;
import interop.Check;
import interop.Kills;
import interop.Scenario;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.exception.RemotingException;

/** What must be refused, and with which code. */
public final class SendErrorScenarios {
    private static final int TOPIC_NOT_EXIST = 17;
    private static final int MESSAGE_ILLEGAL = 13;
    private static final int INVALID_PARAMETER = 29;
    /** Client codes: no route known for the topic. */
    private static final int NOT_FOUND_TOPIC = 10005;

    public static final List<Scenario> LIST = List.of(
        Scenario.of("error-message-too-large", SendErrorScenarios::tooLarge, "kill-all"),
        Scenario.of("error-illegal-topic", SendErrorScenarios::illegalTopic, "kill-all"),
        Scenario.of("error-system-topic", SendErrorScenarios::systemTopic, "kill-all"),
        Scenario.of("error-unknown-queue", SendErrorScenarios::unknownQueue, "kill-all"),
        Scenario.of("error-no-write-permission", SendErrorScenarios::noWritePermission, "kill-all"),
        Scenario.of("error-topic-missing", SendErrorScenarios::topicMissing, "kill"));

    private SendErrorScenarios() {
    }

    static void tooLarge(Case c) throws Exception {
        String topic = c.freshTopic(2);
        byte[] noise = new byte[5 * 1024 * 1024];
        new Random(5).nextBytes(noise);
        DefaultMQProducer strict = c.producer();
        Check.failsWithCode(MESSAGE_ILLEGAL, "5 MiB, refused by the client", () -> strict.send(new Message(topic, noise)));
        // The broker has the same limit, whatever a client thinks.
        DefaultMQProducer lax = c.unstartedProducer();
        lax.setMaxMessageSize(16 * 1024 * 1024);
        lax.setRetryTimesWhenSendFailed(0);
        lax.start();
        Check.failsWithCode(MESSAGE_ILLEGAL, "5 MiB, refused by the broker", () -> lax.send(new Message(topic, noise)));
        Case.sendSome(lax, topic, "after", 3);
    }

    static void illegalTopic(Case c) throws Exception {
        DefaultMQProducer producer = c.producer();
        for (String bad : List.of("no spaces", "dot.dot", "ä", "x".repeat(128))) {
            Check.that(refused(producer, bad), "topic " + bad + " must be refused");
        }
        TopicConfig illegal = new TopicConfig("not a topic!");
        Check.that(refused("created", () -> {
            c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), illegal);
            return true;
        }), "the broker must not create a topic with an illegal name");
    }

    private static boolean refused(DefaultMQProducer producer, String topic) throws Exception {
        return refused("sent to " + topic, () -> producer.send(new Message(topic, "x".getBytes())));
    }

    /** By the client or the broker; that a killed broker is away is no refusal. */
    private static boolean refused(String what, Callable<?> call) throws Exception {
        return Case.retried(what, () -> {
            try {
                call.call();
                return false;
            } catch (MQBrokerException e) {
                return true;
            } catch (Exception e) {
                boolean isAway = Stream.iterate((Throwable) e, Objects::nonNull, Throwable::getCause)
                    .anyMatch(RemotingException.class::isInstance);
                if (isAway && Kills.areOn()) {
                    throw e;
                }
                return true;
            }
        });
    }

    static void systemTopic(Case c) throws Exception {
        DefaultMQProducer producer = c.unstartedProducer();
        producer.setRetryTimesWhenSendFailed(0);
        producer.start();
        Check.that(refused(producer, "SCHEDULE_TOPIC_XXXX"), "clients must not send to SCHEDULE_TOPIC_XXXX");
        Check.that(refused(producer, "RMQ_SYS_TRANS_HALF_TOPIC"), "clients must not send to RMQ_SYS_TRANS_HALF_TOPIC");
    }

    static void unknownQueue(Case c) throws Exception {
        String topic = c.freshTopic(2);
        DefaultMQProducer producer = c.producer();
        MessageQueue queue = Case.retried("route", () -> producer.fetchPublishMessageQueues(topic)).get(0);
        MessageQueue beyond = new MessageQueue(topic, queue.getBrokerName(), 99);
        Check.failsWithCode(INVALID_PARAMETER, "queue 99 of 2", () -> producer.send(new Message(topic, "x".getBytes()), beyond));
    }

    static void noWritePermission(Case c) throws Exception {
        String topic = c.freshTopic(1);
        TopicConfig readOnly = new TopicConfig(topic);
        readOnly.setReadQueueNums(1);
        readOnly.setWriteQueueNums(1);
        readOnly.setPerm(4);
        Case.retried("permission 4", () -> {
            c.cluster.admin().createAndUpdateTopicConfig(c.cluster.brokerAddr(), readOnly);
            return true;
        });
        Await.until("route with permission 4",
            () -> c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().get(0).getPerm() == 4);
        // A broker only looks at its own permission; it is the route that keeps clients away from a topic.
        DefaultMQProducer producer = c.producer();
        Check.failsWithCode(NOT_FOUND_TOPIC, "no writable queue", () -> producer.send(new Message(topic, "x".getBytes())));
        Check.gives(4, "permission", () -> c.cluster.admin().examineTopicRouteInfo(topic).getQueueDatas().get(0).getPerm());
    }

    /** On a broker with autoCreateTopicEnable=false. */
    static void topicMissing(Case c) throws Exception {
        Case strict = c.on("strict");
        String topic = strict.freshName();
        DefaultMQProducer producer = strict.producer();
        Check.failsWithCode(NOT_FOUND_TOPIC, "no route for a missing topic",
            () -> producer.send(new Message(topic, "x".getBytes())));
        // Past the route: straight to a queue of the broker, which must not create the topic either.
        String existing = strict.freshTopic(1);
        MessageQueue queue = Case.retried("route", () -> producer.fetchPublishMessageQueues(existing)).get(0);
        Case.retried("deleted " + existing, () -> {
            strict.cluster.admin().deleteTopicInBroker(Set.of(strict.cluster.brokerAddr()), existing);
            return true;
        });
        String kept = strict.freshTopic(1);
        Check.failsWithCode(TOPIC_NOT_EXIST, "deleted topic, known route", () -> {
            if (Kills.areOn()) {
                // Else the client forgets the address of the broker, of which it knows no topic any more.
                producer.send(new Message(kept, "x".getBytes()));
            }
            return producer.send(new Message(existing, "x".getBytes()), queue);
        });
    }
}
