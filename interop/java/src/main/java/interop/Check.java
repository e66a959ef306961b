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
    public static void times(long expected, long actual, String what) {
        that(actual == expected || Kills.areOn() && actual > expected, what + ": expected " + expected + " times, got " + actual);
    }

    /** At once; where kills are on, as soon as the broker is back. */
    public static void holds(String claim, Callable<Boolean> condition) throws Exception {
        if (Kills.areOn()) {
            Await.until(claim, condition);
        } else {
            that(condition.call(), claim);
        }
    }

    /** The call answers this: at once; where kills are on, as soon as the broker is back. */
    public static void gives(Object expected, String what, Callable<?> call) throws Exception {
        if (!Kills.areOn()) {
            equal(expected, call.call(), what);
            return;
        }
        Await.until(what + " is " + expected, () -> {
            Object actual = call.call();
            if (!Objects.equals(expected, actual)) {
                throw new IllegalStateException("it is " + actual);
            }
            return true;
        });
    }

    /**
     * The call must fail with this response code, told by the client or by the broker. Where kills are on it may fail otherwise
     * before that, never succeed.
     *
     * @return what was said with the code
     */
    public static String failsWithCode(int code, String what, Callable<?> call) throws Exception {
        return Case.retried(what + " fails with code " + code, () -> {
            Object result;
            try {
                result = call.call();
            } catch (MQBrokerException e) {
                return saidWith(code, e.getResponseCode(), what, e.getErrorMessage(), e);
            } catch (MQClientException e) {
                return saidWith(code, e.getResponseCode(), what, e.getErrorMessage(), e);
            }
            throw new AssertionError(what + ": expected code " + code + ", but it succeeded with " + result);
        });
    }

    private static String saidWith(int code, int actual, String what, String said, Exception failure) throws Exception {
        if (actual != code && Kills.areOn()) {
            throw failure;
        }
        equal(code, actual, what + " (" + said + ")");
        return said;
    }
}
