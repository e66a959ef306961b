package interop;

import java.util.Objects;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;

/** The few assertions that the scenarios need. */
public final class Check {
    private Check() {
    }

    public static void that(boolean condition, String claim) {
        if (!condition) {
            throw new AssertionError(claim);
        }
    }

    public static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    /** So often, or more often where kills let things be done twice. */
    public static void times(int expected, int actual, String what) {
        that(actual == expected || Kills.areOn() && actual > expected, what + ": expected " + expected + " times, got " + actual);
    }

    /** The call must fail with this response code, told by the client or by the broker. */
    public static void failsWithCode(int code, String what, Callable<?> call) throws Exception {
        Object result;
        try {
            result = call.call();
        } catch (MQBrokerException e) {
            equal(code, e.getResponseCode(), what + " (" + e.getErrorMessage() + ")");
            return;
        } catch (MQClientException e) {
            equal(code, e.getResponseCode(), what + " (" + e.getErrorMessage() + ")");
            return;
        }
        throw new AssertionError(what + ": expected code " + code + ", but it succeeded with " + result);
    }
}
