// franz-go against one node: produce, consume, groups, offsets, timestamps, compression.
package franzgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(os.Getenv("OTTLA_COMPAT_BOOTSTRAP")), kgo.MetadataMinAge(50 * time.Millisecond), kgo.DialTimeout(60 * time.Second), kgo.RequestTimeoutOverhead(60 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 180*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func unique(prefix string) string { return fmt.Sprintf("%s-%x", prefix, rand.Int63()) }

func topic(t *testing.T, partitions int32, configs map[string]*string) string {
	t.Helper()
	name := unique("t")
	adm := kadm.NewClient(client(t))
	if _, err := adm.CreateTopic(limited(t), partitions, 1, configs, name); err != nil {
		t.Fatal(err)
	}
	// the answer comes from the controller; Apache Kafka's broker learns of the topic a moment later
	eventually(t, func() bool {
		d, err := adm.ListTopics(limited(t), name)
		return err == nil && len(d[name].Partitions) == int(partitions)
	})
	return name
}

func produce(t *testing.T, topic string, partition int32, n int, opts ...kgo.Opt) {
	t.Helper()
	cl := client(t, append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1)}, opts...)...)
	var rs []*kgo.Record
	for i := 0; i < n; i++ {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint("v", i))})
	}
	if err := cl.ProduceSync(limited(t), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, cl *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	var got []*kgo.Record
	ctx := limited(t)
	for len(got) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("only %d of %d records", len(got), n)
		}
		fs.EachError(func(topic string, p int32, err error) { t.Fatalf("%s %d: %v", topic, p, err) })
		got = append(got, fs.Records()...)
	}
	if len(got) != n {
		t.Fatalf("%d records, not %d", len(got), n)
	}
	return got
}

func direct(topic string, partition int32, at kgo.Offset) kgo.Opt {
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: at}})
}

func checkValues(t *testing.T, got []*kgo.Record, from int) {
	t.Helper()
	for i, r := range got {
		if want := fmt.Sprint("v", from+i); string(r.Value) != want {
			t.Fatalf("record %d is %q, not %q", i, r.Value, want)
		}
	}
}

func TestProduceAndConsume(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	acks := map[string][]kgo.Opt{
		"0": {kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}, "1": {kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		"all": {kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite()}, "idempotent": nil,
	}
	for codec, c := range codecs {
		for ack, opts := range acks {
			t.Run(codec+"-"+ack, func(t *testing.T) {
				name := topic(t, 1, nil)
				produce(t, name, 0, 200, append(opts, kgo.ProducerBatchCompression(c), kgo.ProducerLinger(20*time.Millisecond))...)
				checkValues(t, read(t, client(t, direct(name, 0, kgo.NewOffset().AtStart())), 200), 0)
			})
		}
	}
}

func TestManySmallIdempotentBatches(t *testing.T) {
	name := topic(t, 1, nil)
	produce(t, name, 0, 5000, kgo.MaxBufferedRecords(10000), kgo.ProducerBatchMaxBytes(600), kgo.ProducerLinger(0))
	got := read(t, client(t, direct(name, 0, kgo.NewOffset().AtStart())), 5000)
	checkValues(t, got, 0)
	for i, r := range got {
		if r.Offset != int64(i) {
			t.Fatalf("offset %d at %d", r.Offset, i)
		}
	}
}

func TestHeadersNullsTimestamps(t *testing.T) {
	name := topic(t, 1, nil)
	cl := client(t, direct(name, 0, kgo.NewOffset().AtStart()))
	at := time.UnixMilli(1_600_000_000_000)
	first := &kgo.Record{Topic: name, Timestamp: at, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}}}
	second := &kgo.Record{Topic: name, Key: []byte{}, Value: []byte{}}
	if err := cl.ProduceSync(limited(t), first, second).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := read(t, cl, 2)
	if got[0].Key != nil || got[0].Value != nil || !got[0].Timestamp.Equal(at) || got[0].Attrs.TimestampType() != 0 {
		t.Fatalf("%+v", got[0])
	}
	h := got[0].Headers
	if len(h) != 3 || h[0].Key != "a" || string(h[0].Value) != "1" || h[1].Value != nil || h[2].Key != "" {
		t.Fatalf("%+v", h)
	}
	if got[1].Key == nil || got[1].Value == nil {
		t.Fatalf("empty became null: %+v", got[1])
	}
}

func TestLogAppendTime(t *testing.T) {
	kind := "LogAppendTime"
	name := topic(t, 1, map[string]*string{"message.timestamp.type": &kind})
	cl := client(t, direct(name, 0, kgo.NewOffset().AtStart()))
	if err := cl.ProduceSync(limited(t), &kgo.Record{Topic: name, Timestamp: time.UnixMilli(1000), Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r := read(t, cl, 1)[0]
	if r.Attrs.TimestampType() != 1 || time.Since(r.Timestamp).Abs() > time.Minute {
		t.Fatalf("%+v", r)
	}
}

func TestLargeRecords(t *testing.T) {
	name := topic(t, 1, nil)
	value := bytes.Repeat([]byte("0123456789"), 90_000)
	cl := client(t, direct(name, 0, kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(1000), kgo.FetchMaxPartitionBytes(1000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := 0; i < 5; i++ {
		if err := cl.ProduceSync(limited(t), &kgo.Record{Topic: name, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range read(t, cl, 5) {
		if !bytes.Equal(r.Value, value) {
			t.Fatal("bytes differ")
		}
	}
}

func TestTooLarge(t *testing.T) {
	limit := "10000"
	name := topic(t, 1, map[string]*string{"max.message.bytes": &limit})
	cl := client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	err := cl.ProduceSync(limited(t), &kgo.Record{Topic: name, Value: make([]byte, 50_000)}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		t.Fatal(err)
	}
}

func TestAutoCreatedTopic(t *testing.T) {
	name := unique("auto")
	cl := client(t, kgo.AllowAutoTopicCreation())
	if err := cl.ProduceSync(limited(t), &kgo.Record{Topic: name, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestOffsets(t *testing.T) {
	name := topic(t, 1, nil)
	cl := client(t, kgo.ProducerLinger(50*time.Millisecond))
	var rs []*kgo.Record
	for i := 0; i < 50; i++ {
		rs = append(rs, &kgo.Record{Topic: name, Value: []byte(fmt.Sprint("v", i)), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)*1000)})
	}
	if err := cl.ProduceSync(limited(t), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for at, from := range map[kgo.Offset]int{
		kgo.NewOffset().AtStart(): 0, kgo.NewOffset().AtEnd().Relative(-5): 45, kgo.NewOffset().At(20): 20,
		kgo.NewOffset().AfterMilli(1_700_000_000_000 + 30_500): 31, kgo.NewOffset().At(9999): 0,
	} {
		opts := []kgo.Opt{direct(name, 0, at), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
		checkValues(t, read(t, client(t, opts...), 50-from), from)
	}
}

func TestPauseAndResume(t *testing.T) {
	name := topic(t, 2, nil)
	produce(t, name, 0, 10)
	produce(t, name, 1, 10)
	cl := client(t, kgo.ConsumeTopics(name))
	cl.PauseFetchPartitions(map[string][]int32{name: {0}})
	for _, r := range read(t, cl, 10) {
		if r.Partition != 1 {
			t.Fatal("paused partition came")
		}
	}
	cl.ResumeFetchPartitions(map[string][]int32{name: {0}})
	read(t, cl, 10)
}

func TestGroups(t *testing.T) {
	for name, b := range map[string]kgo.GroupBalancer{"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer()} {
		t.Run(name, func(t *testing.T) {
			top, group := topic(t, 4, nil), unique("g")
			for p := int32(0); p < 4; p++ {
				produce(t, top, p, 10)
			}
			seen := make(map[string]int)
			member := func() *kgo.Client {
				return client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(top), kgo.Balancers(b), kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(45*time.Second),
					kgo.AutoCommitInterval(100*time.Millisecond), kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			}
			poll := func(cl *kgo.Client) {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				for _, r := range cl.PollFetches(ctx).Records() {
					seen[fmt.Sprint(r.Partition, "-", r.Offset)]++
				}
				if err := cl.CommitUncommittedOffsets(limited(t)); err != nil && !errors.Is(err, kerr.RebalanceInProgress) && !errors.Is(err, kerr.IllegalGeneration) {
					t.Fatal(err)
				}
				cl.AllowRebalance()
			}
			a := member()
			for len(seen) < 40 {
				poll(a)
			}
			c := member()
			adm := kadm.NewClient(client(t))
			shared := func(members int) bool {
				d, err := adm.DescribeGroups(limited(t), group)
				if err != nil || d[group].State != "Stable" || len(d[group].Members) != members {
					return false
				}
				for _, m := range d[group].Members {
					as, ok := m.Assigned.AsConsumer()
					if !ok || len(as.Topics) == 0 || len(as.Topics[0].Partitions) != 4/members {
						return false
					}
				}
				return true
			}
			for end := time.Now().Add(120 * time.Second); !shared(2); {
				if time.Now().After(end) {
					t.Fatal("never shared by two")
				}
				poll(a)
				poll(c)
			}
			for p := int32(0); p < 4; p++ {
				produce(t, top, p, 10)
			}
			for len(seen) < 80 {
				poll(a)
				poll(c)
			}
			for k, n := range seen {
				if n != 1 {
					t.Fatalf("%s came %d times", k, n)
				}
			}
			c.Close()
			for end := time.Now().Add(120 * time.Second); !shared(1); {
				if time.Now().After(end) {
					t.Fatal("never back to one")
				}
				poll(a)
			}
		})
	}
}

func TestStaticMember(t *testing.T) {
	top, group := topic(t, 2, nil), unique("g")
	adm := kadm.NewClient(client(t))
	var generations []string
	for i := 0; i < 2; i++ {
		cl := client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(top), kgo.InstanceID("one"))
		produce(t, top, 0, 1)
		read(t, cl, 1)
		if err := cl.CommitUncommittedOffsets(limited(t)); err != nil {
			t.Fatal(err)
		}
		d, err := adm.DescribeGroups(limited(t), group)
		if err != nil || len(d[group].Members) != 1 || *d[group].Members[0].InstanceID != "one" {
			t.Fatalf("%v %+v", err, d)
		}
		generations = append(generations, d[group].Members[0].MemberID)
		cl.Close()
	}
	if generations[0] == generations[1] {
		t.Fatal("the member id did not change")
	}
}

func TestRegex(t *testing.T) {
	prefix := unique("rx")
	adm := kadm.NewClient(client(t))
	for _, s := range []string{"-a", "-b"} {
		if _, err := adm.CreateTopic(limited(t), 1, 1, nil, prefix+s); err != nil {
			t.Fatal(err)
		}
		produce(t, prefix+s, 0, 3)
	}
	read(t, client(t, kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+prefix+"-.*")), 6)
}

func TestReadCommitted(t *testing.T) {
	name := topic(t, 1, nil)
	produce(t, name, 0, 10)
	checkValues(t, read(t, client(t, direct(name, 0, kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted())), 10), 0)
}

func TestKeysGoWhereJavaPutsThem(t *testing.T) {
	name := topic(t, 5, nil)
	cl := client(t)
	var got []string
	for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
		r, err := cl.ProduceSync(limited(t), &kgo.Record{Topic: name, Key: []byte(k)}).First()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(k, r.Partition))
	}
	sort.Strings(got)
	if len(got) != 6 {
		t.Fatal(got)
	}
}
