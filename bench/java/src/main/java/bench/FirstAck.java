package bench;

import java.io.DataInputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.SendMessageRequestHeader;

/**
 * {@code FirstAck HOST:PORT STARTED-FILE}: knocks at the broker's port with a prepared request until a
 * message is acknowledged, and prints the time since the process was spawned. A raw socket, because a
 * starting Java client would measure itself.
 */
public final class FirstAck {
    private static final long BOUND_NANOS = 120_000_000_000L;
    private static final long PAUSE_NANOS = 500_000;

    private FirstAck() {
    }

    public static void main(String[] args) throws Exception {
        String[] address = args[0].split(":");
        InetSocketAddress broker = new InetSocketAddress(address[0], Integer.parseInt(address[1]));
        byte[] request = request();
        // Everything that the measured path needs is loaded before the server is started.
        RemotingCommand.decode(ByteBuffer.wrap(request, 4, request.length - 4));
        System.out.println("armed");
        System.out.flush();
        long bound = System.nanoTime() + BOUND_NANOS;
        while (!acknowledged(broker, request)) {
            if (System.nanoTime() > bound) {
                throw new IllegalStateException("nothing acknowledged by " + broker);
            }
            LockSupport.parkNanos(PAUSE_NANOS);
        }
        Instant now = Instant.now();
        double started = Double.parseDouble(Files.readString(Path.of(args[1])).trim());
        double ms = (now.getEpochSecond() - started) * 1000 + now.getNano() / 1e6;
        System.out.printf("start_to_first_ack_ms\t%.1f%n", ms);
    }

    private static byte[] request() {
        SendMessageRequestHeader header = new SendMessageRequestHeader();
        header.setProducerGroup("bench-first");
        header.setTopic("bench-first");
        header.setDefaultTopic("TBW102");
        header.setDefaultTopicQueueNums(4);
        header.setQueueId(0);
        header.setSysFlag(0);
        header.setBornTimestamp(System.currentTimeMillis());
        header.setFlag(0);
        header.setProperties("");
        header.setReconsumeTimes(0);
        header.setUnitMode(false);
        header.setBatch(false);
        RemotingCommand command = RemotingCommand.createRequestCommand(RequestCode.SEND_MESSAGE, header);
        command.setBody("first".getBytes());
        ByteBuffer encoded = command.encode();
        byte[] bytes = new byte[encoded.remaining()];
        encoded.get(bytes);
        return bytes;
    }

    private static boolean acknowledged(InetSocketAddress broker, byte[] request) {
        try (Socket socket = new Socket()) {
            socket.connect(broker, 1000);
            socket.setSoTimeout(5000);
            socket.setTcpNoDelay(true);
            socket.getOutputStream().write(request);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] reply = new byte[in.readInt()];
            in.readFully(reply);
            return RemotingCommand.decode(ByteBuffer.wrap(reply)).getCode() == 0;
        } catch (Exception e) {
            return false;
        }
    }
}
