package interop;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.mqclient.MQClientAPIExt;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.NotificationRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/** The requests of POP, as the Java system's proxy sends them. */
public final class PopClient {
    private static final long TIMEOUT_MS = 30_000;

    private final MQClientAPIExt api;
    private final String broker;
    private final String brokerName;
    private final String topic;
    private final String group;

    /** Messages that a pop brought, and what the broker said. */
    public record Popped(PopStatus status, List<MessageExt> messages) {
    }

    public PopClient(Case c, String topic, String group) throws Exception {
        this(c.cluster.namesrv, "broker-a", c.cluster.brokerAddr(), topic, group, c.hook());
        c.onClose(api::shutdown);
    }

    public PopClient(String namesrv, String brokerName, String broker, String topic, String group) throws Exception {
        this(namesrv, brokerName, broker, topic, group, null);
    }

    private PopClient(String namesrv, String brokerName, String broker, String topic, String group, RPCHook hook) throws Exception {
        ClientConfig config = new ClientConfig();
        config.setNamesrvAddr(namesrv);
        this.api = new MQClientAPIExt(config, new NettyClientConfig(), new ClientRemotingProcessor(null), hook);
        this.api.start();
        this.broker = broker;
        this.brokerName = brokerName;
        this.topic = topic;
        this.group = group;
    }

    private static <T> T get(CompletableFuture<T> future) throws Exception {
        return future.get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
    }

    public PopMessageRequestHeader request(int max, long invisibleMs, long pollMs) {
        PopMessageRequestHeader header = new PopMessageRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(-1);
        header.setMaxMsgNums(max);
        header.setInvisibleTime(invisibleMs);
        header.setPollTime(pollMs);
        header.setBornTime(System.currentTimeMillis());
        header.setInitMode(0);
        header.setExpType("TAG");
        header.setExp("*");
        header.setOrder(false);
        header.setBrokerName(brokerName);
        return header;
    }

    public Popped pop(PopMessageRequestHeader header) throws Exception {
        header.setBornTime(System.currentTimeMillis());
        PopResult result = get(api.popMessageAsync(broker, brokerName, header, TIMEOUT_MS));
        List<MessageExt> found = result.getMsgFoundList();
        return new Popped(result.getPopStatus(), found == null ? List.of() : found);
    }

    public List<MessageExt> pop(int max, long invisibleMs) throws Exception {
        return pop(request(max, invisibleMs, 0)).messages();
    }

    public AckResult ack(MessageExt message) throws Exception {
        return ack(handle(message));
    }

    public AckResult ack(String handle) throws Exception {
        String[] parts = ExtraInfoUtil.split(handle);
        AckMessageRequestHeader header = new AckMessageRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(ExtraInfoUtil.getRealTopic(parts, topic, group));
        header.setQueueId(ExtraInfoUtil.getQueueId(parts));
        header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
        header.setExtraInfo(handle);
        header.setBrokerName(brokerName);
        return get(api.ackMessageAsync(broker, header, TIMEOUT_MS));
    }

    public AckResult batchAck(List<MessageExt> messages) throws Exception {
        List<String> handles = messages.stream().map(PopClient::handle).toList();
        return get(api.batchAckMessageAsync(broker, topic, group, handles, TIMEOUT_MS));
    }

    /** @return the answer, which has the new handle */
    public AckResult change(String handle, long invisibleMs) throws Exception {
        String[] parts = ExtraInfoUtil.split(handle);
        ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(ExtraInfoUtil.getRealTopic(parts, topic, group));
        header.setQueueId(ExtraInfoUtil.getQueueId(parts));
        header.setOffset(ExtraInfoUtil.getQueueOffset(parts));
        header.setExtraInfo(handle);
        header.setInvisibleTime(invisibleMs);
        header.setBrokerName(brokerName);
        return get(api.changeInvisibleTimeAsync(broker, brokerName, header, TIMEOUT_MS));
    }

    public boolean notification(long pollMs) throws Exception {
        NotificationRequestHeader header = new NotificationRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(-1);
        header.setPollTime(pollMs);
        header.setBornTime(System.currentTimeMillis());
        header.setBrokerName(brokerName);
        return get(api.notification(broker, header, TIMEOUT_MS));
    }

    public static String handle(MessageExt message) {
        return message.getProperty(MessageConst.PROPERTY_POP_CK);
    }
}
