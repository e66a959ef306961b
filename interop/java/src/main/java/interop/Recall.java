package interop;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;

/** Only clients since 5.4 have it: by reflection, so that it compiles with all. */
public final class Recall {
    private Recall() {
    }

    /** The handle of a message that waits; null where the client knows of none. */
    public static String handleOf(SendResult result) throws Exception {
        try {
            return (String) SendResult.class.getMethod("getRecallHandle").invoke(result);
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    /** Recalls a message; its id, or null where the client cannot. */
    public static String recall(DefaultMQProducer producer, String topic, String handle) throws Exception {
        Method method;
        try {
            method = DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class);
        } catch (NoSuchMethodException e) {
            return null;
        }
        try {
            return (String) method.invoke(producer, topic, handle);
        } catch (InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }
}
