package interop.load;

import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Where a message is: written {@code topic/broker/queue/offset}. Names of topics and brokers have no slash. */
record Place(String topic, String broker, int queue, long offset) {
    static Place of(MessageQueue queue, long offset) {
        return new Place(queue.getTopic(), queue.getBrokerName(), queue.getQueueId(), offset);
    }

    /** Null for a message that comes again by its group's retry topic: its topic is then the first one, its offset is not. */
    static Place of(MessageExt message) {
        return message.getReconsumeTimes() > 0 ? null
            : new Place(message.getTopic(), message.getBrokerName(), message.getQueueId(), message.getQueueOffset());
    }

    static Place parse(String text) {
        String[] parts = text.split("/");
        return new Place(parts[0], parts[1], Integer.parseInt(parts[2]), Long.parseLong(parts[3]));
    }

    /** The queue, as the place of its first message. */
    Place first() {
        return new Place(topic, broker, queue, 0);
    }

    @Override
    public String toString() {
        return topic + "/" + broker + "/" + queue + "/" + offset;
    }
}
