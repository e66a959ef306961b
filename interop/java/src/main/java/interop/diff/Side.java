package interop.diff;

import interop.Await;
import interop.Case;
import interop.Cluster;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.remoting.RemotingClient;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** One of the two systems, and everything that was seen of it. */
final class Side {
    final Case c;
    final String broker;
    /** What was seen, by the step that saw it. */
    final Map<String, String> transcript = new ConcurrentSkipListMap<>();
    /** What the broker said to people, by step: shown with a difference. */
    final Map<String, String> remarks = new ConcurrentSkipListMap<>();
    /** Steps that run beside each other have one each. */
    private final ThreadLocal<String> remark = new ThreadLocal<>();
    private final Plants plants;
    final DefaultMQProducer producer;
    private final RemotingClient remoting;
    /** Of queues by topic and number, behind the last message that was acknowledged. */
    private final Map<String, Long> ends = new ConcurrentHashMap<>();

    /** @param plants changes answers on their way, or null */
    Side(Case c, Plants plants) throws Exception {
        this.c = c;
        this.plants = plants;
        c.hook(plants);
        broker = c.cluster.brokerAddr();
        producer = c.producer();
        remoting = producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl().getRemotingClient();
    }

    /** A request as no client would check it; {@code fields} may be wrong on purpose. */
    RemotingCommand ask(int code, Map<String, String> fields, byte[] body) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        fields.forEach(request::addExtField);
        request.setBody(body);
        if (plants != null) {
            plants.isCompared(request);
        }
        RemotingCommand answer = remoting.invokeSync(broker, request, 20_000);
        remark.set(answer.getRemark());
        return answer;
    }

    /** A request whose answer is needed, and not compared. */
    RemotingCommand look(int code, Map<String, String> fields) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        fields.forEach(request::addExtField);
        if (plants != null) {
            plants.isNeeded(request);
        }
        return remoting.invokeSync(broker, request, 20_000);
    }

    /** A request without an answer. */
    void tell(int code, Map<String, String> fields) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        fields.forEach(request::addExtField);
        remoting.invokeOneway(broker, request, 20_000);
    }

    /** A send was acknowledged. */
    void stored(String topic, Map<String, String> answer) {
        long end = Long.parseLong(answer.get("queueOffset")) + answer.get("msgId").split(",").length;
        ends.merge(topic + ":" + answer.get("queueId"), end, Math::max);
    }

    /** A message was dispatched to one more queue. */
    void oneMoreIn(String lightQueue) {
        ends.merge(lightQueue + ":0", 1L, Long::sum);
    }

    /** The Java broker shows messages a moment after it has acknowledged them. */
    void awaitVisible(String topic, String queueId) {
        Long end = ends.get(topic + ":" + queueId);
        if (end != null) {
            Map<String, String> fields = Map.of("topic", topic, "queueId", queueId);
            Await.until("acknowledged messages are visible in " + topic + ":" + queueId + " up to " + end,
                () -> Long.parseLong(look(30, fields).getExtFields().get("offset")) >= end);
        }
    }

    void see(String step, String what) {
        String before = transcript.put(step, what);
        String said = remark.get();
        if (said != null) {
            remarks.put(step, said);
            remark.remove();
        }
        if (before != null) {
            throw new IllegalStateException("two steps are called " + step);
        }
    }

    Cluster cluster() {
        return c.cluster;
    }
}
