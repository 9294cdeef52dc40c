import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;

import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.message.JoinGroupRequestData;
import org.apache.kafka.common.message.SyncGroupRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.JoinGroupRequest;
import org.apache.kafka.common.requests.JoinGroupResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.SyncGroupRequest;
import org.apache.kafka.common.requests.SyncGroupResponse;
import org.apache.kafka.common.utils.Utils;

/** A group member that joins and then says nothing more: no heartbeat, no leaving. */
final class RawMember implements AutoCloseable {
    private final String group, topic;
    private final int sessionTimeoutMs;
    private final Socket socket;

    RawMember(String bootstrap, String group, String topic, int sessionTimeoutMs) throws IOException {
        this.group = group;
        this.topic = topic;
        this.sessionTimeoutMs = sessionTimeoutMs;
        this.socket = new Socket(bootstrap.split(":")[0], Integer.parseInt(bootstrap.split(":")[1]));
        socket.setSoTimeout(30_000);
    }

    void joinAndSync() throws IOException {
        JoinGroupResponse joined = join("");
        String member = joined.data().memberId();
        if (joined.data().errorCode() != 0) joined = join(member); // member id required
        if (joined.data().errorCode() != 0) throw new IllegalStateException(joined.toString());
        SyncGroupResponse synced = call(ApiKeys.SYNC_GROUP, new SyncGroupRequest(new SyncGroupRequestData().setGroupId(group).setMemberId(member)
            .setGenerationId(joined.data().generationId()).setProtocolType("consumer").setProtocolName("range")
            .setAssignments(List.of(new SyncGroupRequestData.SyncGroupRequestAssignment().setMemberId(member).setAssignment(new byte[0]))), (short) 5));
        if (synced.data().errorCode() != 0) throw new IllegalStateException(synced.toString());
    }

    private JoinGroupResponse join(String member) throws IOException {
        byte[] subscription = Utils.toArray(ConsumerProtocol.serializeSubscription(new ConsumerPartitionAssignor.Subscription(List.of(topic))));
        var protocols = new JoinGroupRequestData.JoinGroupRequestProtocolCollection();
        protocols.add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("range").setMetadata(subscription));
        return call(ApiKeys.JOIN_GROUP, new JoinGroupRequest(new JoinGroupRequestData().setGroupId(group).setMemberId(member).setProtocolType("consumer")
            .setSessionTimeoutMs(sessionTimeoutMs).setRebalanceTimeoutMs(sessionTimeoutMs).setProtocols(protocols), (short) 9));
    }

    @SuppressWarnings("unchecked")
    <T extends AbstractResponse> T call(ApiKeys key, AbstractRequest request) throws IOException {
        RequestHeader header = new RequestHeader(key, request.version(), "raw-member", 1);
        ByteBuffer b = request.serializeWithHeader(header);
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(b.remaining());
        out.write(Utils.toArray(b));
        out.flush();
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[in.readInt()];
        in.readFully(answer);
        return (T) AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header);
    }

    @Override public void close() throws IOException {
        socket.close();
    }
}
