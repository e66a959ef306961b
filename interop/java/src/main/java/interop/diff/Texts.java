package interop.diff;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Answers and messages as text, without what two brokers cannot have in common: times, addresses, offsets in the log. */
final class Texts {
    /** Fields of answers that hold such things. */
    private static final Set<String> LOCAL_FIELDS = Set.of("msgId", "timestamp", "earliestMsgStoreTime", "popTime",
        "restNum", "recallHandle", "indexLastUpdateTimestamp", "indexLastUpdatePhyoffset", "version", "lockTime");
    /** Properties that hold such things, or that the client adds. */
    private static final Set<String> LOCAL_PROPERTIES = Set.of(MessageConst.PROPERTY_MIN_OFFSET,
        MessageConst.PROPERTY_MAX_OFFSET, MessageConst.PROPERTY_CONSUME_START_TIMESTAMP, "POP_CK", "1ST_POP_TIME",
        "TIMER_DELIVER_MS", "TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "ORIGIN_MESSAGE_ID",
        "__transactionId__", "_DLQ_ORIGIN_MESSAGE_ID", "DLQ_ORIGIN_MESSAGE_ID");

    private Texts() {
    }

    /** Code and fields. Remarks are for people, and ours say more. */
    static String answer(RemotingCommand answer) {
        StringBuilder text = new StringBuilder("code " + answer.getCode());
        new TreeMap<>(answer.getExtFields() == null ? Map.of() : answer.getExtFields()).forEach((name, value) -> {
            text.append(' ').append(name).append('=').append(LOCAL_FIELDS.contains(name) ? "…" : value);
        });
        return text.toString();
    }

    static String messages(List<MessageExt> messages) {
        StringBuilder text = new StringBuilder();
        messages.forEach(message -> text.append("\n    ").append(message(message)));
        return text.toString();
    }

    /** Of a queue in which the order is a matter of time. */
    static String inAnyOrder(List<MessageExt> messages) {
        return messages.stream().map(Texts::withoutPlace).sorted().reduce("", (all, one) -> all + "\n    " + one);
    }

    static String withoutPlace(MessageExt message) {
        return message(message).replaceFirst(":\\d+:\\d+ ", ":…:… ");
    }

    static String message(MessageExt message) {
        TreeMap<String, String> properties = new TreeMap<>(message.getProperties());
        properties.replaceAll((name, value) -> LOCAL_PROPERTIES.contains(name) ? "…" : visible(value));
        return message.getTopic() + ":" + message.getQueueId() + ":" + message.getQueueOffset() + " flag " + message.getFlag()
            + " sysFlag " + message.getSysFlag() + " again " + message.getReconsumeTimes() + " body "
            + body(message.getBody()) + " " + properties;
    }

    static String body(byte[] body) {
        if (body == null) {
            return "none";
        }
        CRC32 crc = new CRC32();
        crc.update(body);
        return body.length + "/" + Long.toHexString(crc.getValue());
    }

    /** A text with its control characters shown, cut where it is long. */
    static String visible(String text) {
        String cut = text.length() <= 60 ? text : text.substring(0, 50) + "…" + body(text.getBytes(StandardCharsets.UTF_8));
        StringBuilder shown = new StringBuilder();
        cut.chars().forEach(c -> shown.append(c < ' ' ? "\\" + c : String.valueOf((char) c)));
        return shown.toString();
    }
}
