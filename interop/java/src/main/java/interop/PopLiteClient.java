package interop;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.mqclient.MQClientAPIExt;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.lite.LiteSubscriptionDTO;
import org.apache.rocketmq.common.lite.OffsetOption;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.protocol.body.GetLiteTopicInfoResponseBody;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopLiteMessageRequestHeader;

/** The requests of lite topics, as the Java system's proxy sends them for its clients. */
public final class PopLiteClient {
    private static final String BROKER = "broker-a";
    private static final long TIMEOUT_MS = 30_000;

    private final MQClientAPIExt api;
    private final String broker;
    private final String topic;
    private final String group;
    private final String clientId;
    private final Set<String> subscribed = new HashSet<>();
    private boolean isSubscribed;

    public PopLiteClient(Case c, String topic, String group, String clientId) throws Exception {
        ClientConfig config = new ClientConfig();
        config.setNamesrvAddr(c.cluster.namesrv);
        this.api = new MQClientAPIExt(config, new NettyClientConfig(), new ClientRemotingProcessor(null), c.hook());
        this.api.start();
        c.onClose(api::shutdown);
        this.broker = c.cluster.brokerAddr();
        this.topic = topic;
        this.group = group;
        this.clientId = clientId;
    }

    private static <T> T get(CompletableFuture<T> future) throws Exception {
        try {
            return future.get(TIMEOUT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw e;
        }
    }

    public void subscription(LiteSubscriptionAction action, Set<String> liteTopics, OffsetOption from) throws Exception {
        LiteSubscriptionDTO change = new LiteSubscriptionDTO();
        change.setAction(action);
        change.setClientId(clientId);
        change.setGroup(group);
        change.setTopic(topic);
        change.setLiteTopicSet(liteTopics);
        change.setOffsetOption(from);
        get(api.syncLiteSubscriptionAsync(broker, change, TIMEOUT_MS));
        switch (action) {
            case PARTIAL_ADD -> subscribed.addAll(liteTopics);
            case PARTIAL_REMOVE -> subscribed.removeAll(liteTopics);
            case COMPLETE_ADD -> {
                subscribed.clear();
                subscribed.addAll(liteTopics);
            }
            default -> subscribed.clear();
        }
        isSubscribed = true;
    }

    /** A broker that was killed does not know it any more: clients tell it now and then. */
    public void subscribeAgain() throws Exception {
        if (Kills.areOn() && isSubscribed) {
            subscription(LiteSubscriptionAction.COMPLETE_ADD, Set.copyOf(subscribed), null);
        }
    }

    public void subscribe(String... liteTopics) throws Exception {
        subscription(LiteSubscriptionAction.PARTIAL_ADD, Set.of(liteTopics), null);
    }

    public List<MessageExt> pop(int max, long invisibleMs, long pollMs) throws Exception {
        subscribeAgain();
        PopLiteMessageRequestHeader header = new PopLiteMessageRequestHeader();
        header.setClientId(clientId);
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setMaxMsgNum(max);
        header.setInvisibleTime(invisibleMs);
        header.setPollTime(pollMs);
        header.setBornTime(System.currentTimeMillis());
        PopResult result = get(api.popLiteMessageAsync(broker, BROKER, header, TIMEOUT_MS));
        return result.getMsgFoundList() == null ? List.of() : result.getMsgFoundList();
    }

    public static String handle(MessageExt message) {
        return message.getProperty(MessageConst.PROPERTY_POP_CK);
    }

    public AckStatus ack(MessageExt message) throws Exception {
        AckMessageRequestHeader header = new AckMessageRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(0);
        header.setOffset(message.getQueueOffset());
        header.setExtraInfo(handle(message));
        header.setLiteTopic(message.getProperty(MessageConst.PROPERTY_LITE_TOPIC));
        header.setBrokerName(BROKER);
        return get(api.ackMessageAsync(broker, header, TIMEOUT_MS)).getStatus();
    }

    public AckStatus change(MessageExt message, long invisibleMs) throws Exception {
        return change(message, invisibleMs, false);
    }

    /** @param suspend all of the pop, which does not count then */
    public AckStatus change(MessageExt message, long invisibleMs, boolean suspend) throws Exception {
        ChangeInvisibleTimeRequestHeader header = new ChangeInvisibleTimeRequestHeader();
        header.setConsumerGroup(group);
        header.setTopic(topic);
        header.setQueueId(0);
        header.setOffset(message.getQueueOffset());
        header.setExtraInfo(handle(message));
        header.setInvisibleTime(invisibleMs);
        header.setSuspend(suspend);
        header.setLiteTopic(message.getProperty(MessageConst.PROPERTY_LITE_TOPIC));
        header.setBrokerName(BROKER);
        return get(api.changeInvisibleTimeAsync(broker, BROKER, header, TIMEOUT_MS)).getStatus();
    }

    public GetLiteTopicInfoResponseBody info(String liteTopic) throws Exception {
        return get(api.getLiteTopicInfoAsync(broker, topic, liteTopic, TIMEOUT_MS));
    }
}
