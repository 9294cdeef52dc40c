// Writes golden.txt: what Apache Kafka's assignors decide in seeded cases. assignors_test.rs draws the same cases.
//   java -cp kafka-clients-4.3.1.jar:slf4j-api.jar Golden.java 1500 > golden.txt
// With a seed and an assignor's number as well it prints that case instead.

import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.common.*;

public class Golden {
    static final String[] PREFIXES = {"t", "orders.", "x-"};

    static class Rng {
        long state;
        Rng(long seed) { state = seed; }
        int next(int bound) {
            state += 0x9E3779B97F4A7C15L;
            long z = state;
            z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
            z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
            z ^= z >>> 31;
            return (int) ((z >>> 33) % bound);
        }
    }

    static class Topic { String name; int count, factor, step; }

    static class Member {
        String id, instance, rack;
        List<String> topics;
        List<TopicPartition> owned = new ArrayList<>();
        int generation = -1;
        ConsumerPartitionAssignor assignor;
    }

    static ConsumerPartitionAssignor make(int kind) {
        return switch (kind) {
            case 0 -> new RangeAssignor();
            case 1 -> new RoundRobinAssignor();
            case 2 -> new StickyAssignor();
            default -> new CooperativeStickyAssignor();
        };
    }

    static List<String> draw(Rng r, List<Topic> topics, boolean equal) {
        List<String> names = new ArrayList<>();
        for (Topic t : topics) if (equal || r.next(3) > 0) names.add(t.name);
        if (names.isEmpty()) names.add(topics.get(0).name);
        return names;
    }

    static Member member(Rng r, int number, List<Topic> topics, boolean equal, int kind) {
        Member m = new Member();
        m.id = "consumer-" + number + "-" + Integer.toHexString(r.next(Integer.MAX_VALUE));
        m.instance = r.next(5) == 0 ? "inst-" + r.next(100) + "-" + number : null;
        m.rack = r.next(3) == 0 ? null : "r" + r.next(4);
        m.topics = draw(r, topics, equal);
        m.assignor = make(kind);
        return m;
    }

    static void assigned(Member m) {
        m.assignor.onAssignment(new Assignment(new ArrayList<>(m.owned)),
            new ConsumerGroupMetadata("g", m.generation, m.id, Optional.ofNullable(m.instance)));
    }

    static String run(long seed, int kind) {
        Rng r = new Rng(seed * 4 + kind);
        int racks = r.next(4), nodes = 3 + r.next(4), topicCount = 1 + r.next(6);
        List<Topic> topics = new ArrayList<>();
        for (int i = 0; i < topicCount; i++) {
            Topic t = new Topic();
            t.name = PREFIXES[r.next(3)] + i;
            t.count = r.next(13);
            t.factor = 1 + r.next(3);
            t.step = 1 + r.next(3);
            topics.add(t);
        }
        boolean equal = r.next(2) == 0;
        int number = r.next(8) == 0 ? 14 + r.next(20) : 1 + r.next(8);
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < number; i++) members.add(member(r, i, topics, equal, kind));
        ConsumerPartitionAssignor leader = make(kind);
        StringBuilder out = new StringBuilder();
        int rounds = 1 + r.next(4);
        for (int round = 1; round <= rounds; round++) {
            Map<String, Assignment> result = leader.assign(cluster(racks, nodes, topics),
                new GroupSubscription(subscriptions(members))).groupAssignment();
            for (Member m : members) {
                List<TopicPartition> got = result.get(m.id).partitions();
                out.append(m.id).append('=');
                for (TopicPartition tp : got) out.append(tp).append(',');
                out.append(';');
                if (r.next(10) == 0) continue;
                m.owned = new ArrayList<>(got);
                m.generation = round;
                assigned(m);
            }
            for (int k = r.next(3); k > 0; k--) {
                switch (r.next(6)) {
                    case 0 -> members.add(member(r, number++, topics, equal, kind));
                    case 1 -> { if (members.size() > 1) members.remove(r.next(members.size())); }
                    case 2 -> topics.get(r.next(topicCount)).count += 1 + r.next(4);
                    case 3 -> { Topic t = topics.get(r.next(topicCount)); t.count = r.next(t.count + 1); }
                    case 4 -> { Member m = members.get(r.next(members.size())); if (!equal) m.topics = draw(r, topics, false); }
                    default -> {
                        Member thief = members.get(r.next(members.size())), victim = members.get(r.next(members.size()));
                        if (!victim.owned.isEmpty()) {
                            thief.owned.add(victim.owned.get(r.next(victim.owned.size())));
                            assigned(thief);
                        }
                    }
                }
            }
        }
        return out.toString();
    }

    static Map<String, Subscription> subscriptions(List<Member> members) {
        Map<String, Subscription> all = new HashMap<>();
        for (Member m : members) {
            ByteBuffer data = m.assignor.subscriptionUserData(new HashSet<>(m.topics));
            Subscription s = new Subscription(m.topics, data, m.owned, m.generation, Optional.ofNullable(m.rack));
            s.setGroupInstanceId(Optional.ofNullable(m.instance));
            all.put(m.id, s);
        }
        return all;
    }

    static Cluster cluster(int racks, int count, List<Topic> topics) {
        List<Node> nodes = new ArrayList<>();
        for (int i = 0; i < count; i++) nodes.add(new Node(i, "h", 1, racks == 0 ? null : "r" + i % racks));
        List<PartitionInfo> partitions = new ArrayList<>();
        for (Topic t : topics)
            for (int p = 0; p < t.count; p++) {
                Node[] replicas = new Node[t.factor];
                for (int j = 0; j < t.factor; j++) replicas[j] = nodes.get((p * t.step + j) % count);
                partitions.add(new PartitionInfo(t.name, p, replicas[0], replicas, replicas));
            }
        return new Cluster("c", nodes, partitions, Set.of(), Set.of());
    }

    public static void main(String[] args) {
        if (args.length == 3) {
            System.out.println(run(Long.parseLong(args[1]), Integer.parseInt(args[2])).replace(';', '\n'));
            return;
        }
        for (long seed = 0; seed < Long.parseLong(args[0]); seed++) {
            StringBuilder line = new StringBuilder();
            for (int kind = 0; kind < 4; kind++) {
                String text;
                try {
                    int hash = 0x811c9dc5;
                    for (char c : run(seed, kind).toCharArray()) hash = (hash ^ c) * 0x01000193;
                    text = String.format("%08x", hash);
                } catch (RuntimeException e) {
                    text = "-";
                }
                line.append(kind == 0 ? "" : " ").append(text);
            }
            System.out.println(line);
        }
    }
}
