package interop.diff;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Half messages and what becomes of them. */
final class Transactions {
    private static final int COMMIT = 8;
    private static final int ROLLBACK = 12;

    private Transactions() {
    }

    /** A half message, and the end of its transaction, now and then told twice or with something wrong. */
    static Workload.Step step(String number, Random random, Map<String, String> half, byte[] body, boolean isLate, String oddTopic) {
        half.put("f", "4");
        String properties = half.get("i");
        half.put("i", properties + "TRAN_MSG\u0001true\u0002PGROUP\u0001" + half.get("a") + "\u0002");
        int outcome = List.of(COMMIT, COMMIT, ROLLBACK, ROLLBACK, 0, 4).get(random.nextInt(6));
        int wrong = random.nextInt(10);
        boolean twice = random.nextInt(5) == 0;
        if (twice || isLate) {
            // Java delivers what is committed twice two times, and loses what is to be delivered later: all offsets behind
            // it would differ.
            half.put("b", oddTopic);
        }
        return side -> {
            String what = number + " transaction " + Texts.visible(half.toString());
            RemotingCommand answer = side.ask(310, half, body);
            side.see(what, Texts.answer(answer).replaceFirst("queueOffset=\\d+", "queueOffset=…"));
            if (answer.getCode() != 0) {
                return;
            }
            Map<String, String> end = new LinkedHashMap<>();
            end.put("producerGroup", wrong == 0 ? "somebody" : half.get("a"));
            end.put("tranStateTableOffset", wrong == 1 ? "99999" : answer.getExtFields().get("queueOffset"));
            long offset = MessageDecoder.decodeMessageId(answer.getExtFields().get("msgId")).getOffset();
            end.put("commitLogOffset", wrong == 2 ? "-1" : wrong == 3 ? "1" : String.valueOf(offset));
            end.put("commitOrRollback", String.valueOf(outcome));
            end.put("fromTransactionCheck", wrong == 4 ? "true" : "false");
            end.put("msgId", "id");
            end.put("transactionId", answer.getExtFields().getOrDefault("transactionId", ""));
            String how = outcome + (wrong < 5 ? " wrong " + wrong : "");
            side.see(number + " transaction's end " + how, end(side, end));
            if (twice) {
                side.see(number + " transaction's end again " + how, end(side, end));
            }
        };
    }

    private static String end(Side side, Map<String, String> fields) throws Exception {
        // An end that tells no outcome is not answered: clients send ends one-way.
        if (!List.of("8", "12").contains(fields.get("commitOrRollback"))) {
            side.tell(37, fields);
            return "no answer";
        }
        return Texts.answer(side.ask(37, fields, null));
    }
}
