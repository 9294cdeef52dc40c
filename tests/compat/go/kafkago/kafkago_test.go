// segmentio/kafka-go against one node: produce, consume, groups, admin, offsets, timestamps, compression.
package kafkago

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

var bootstrap = os.Getenv("OTTLA_COMPAT_BOOTSTRAP")

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 180*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// kafka-go does not try again when the coordinator's topic is only just being made, so that happens before the tests.
func TestMain(m *testing.M) {
	for end := time.Now().Add(120 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		o, err := admin().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: "warm", Topics: map[string][]int{"warm": {0}}})
		g, err2 := admin().ListGroups(ctx, &kafka.ListGroupsRequest{})
		cancel()
		if err == nil && o.Error == nil && err2 == nil && g.Error == nil {
			break
		}
	}
	os.Exit(m.Run())
}

func unique(prefix string) string { return fmt.Sprintf("%s-%x", prefix, rand.Int63()) }

func admin() *kafka.Client {
	a, _ := net.ResolveTCPAddr("tcp", bootstrap)
	return &kafka.Client{Addr: a, Timeout: 90 * time.Second}
}

func topic(t *testing.T, partitions int, configs ...kafka.ConfigEntry) string {
	t.Helper()
	name := unique("t")
	r, err := admin().CreateTopics(limited(t), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}}})
	if err != nil || r.Errors[name] != nil {
		t.Fatal(err, r)
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(30 * time.Millisecond) {
		m, err := admin().Metadata(limited(t), &kafka.MetadataRequest{Topics: []string{name}})
		if err == nil && len(m.Topics) == 1 && m.Topics[0].Error == nil && len(m.Topics[0].Partitions) == partitions {
			return name
		}
		if time.Now().After(end) {
			t.Fatal("topic is not seen")
		}
	}
}

func messages(n int) (ms []kafka.Message) {
	for i := 0; i < n; i++ {
		ms = append(ms, kafka.Message{Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint("v", i))})
	}
	return
}

func write(t *testing.T, w *kafka.Writer, ms ...kafka.Message) {
	t.Helper()
	w.Addr = kafka.TCP(bootstrap)
	w.BatchTimeout = 10 * time.Millisecond
	// What is sent again after a time-out is there twice.
	w.ReadTimeout, w.WriteTimeout = 120*time.Second, 120*time.Second
	if err := w.WriteMessages(limited(t), ms...); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T, c kafka.ReaderConfig) *kafka.Reader {
	c.Brokers = []string{bootstrap}
	c.MaxWait = 200 * time.Millisecond
	r := kafka.NewReader(c)
	t.Cleanup(func() { r.Close() })
	return r
}

func read(t *testing.T, r *kafka.Reader, n int) (ms []kafka.Message) {
	t.Helper()
	ctx := limited(t)
	for len(ms) < n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("%v after %d of %d", err, len(ms), n)
		}
		ms = append(ms, m)
	}
	return
}

func checkValues(t *testing.T, ms []kafka.Message, from int) {
	t.Helper()
	for i, m := range ms {
		if string(m.Value) != fmt.Sprint("v", from+i) || m.Offset != int64(from+i) {
			t.Fatalf("message %d: %q at %d", i, m.Value, m.Offset)
		}
	}
}

func TestWriteAndRead(t *testing.T) {
	codecs := map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for codec, c := range codecs {
		for _, acks := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
			t.Run(codec+"-"+acks.String(), func(t *testing.T) {
				name := topic(t, 1)
				write(t, &kafka.Writer{Topic: name, Compression: c, RequiredAcks: acks}, messages(200)...)
				checkValues(t, read(t, reader(t, kafka.ReaderConfig{Topic: name}), 200), 0)
			})
		}
	}
}

func TestConnWriteAndReadBatch(t *testing.T) {
	name := topic(t, 1)
	conn, err := kafka.DialLeader(limited(t), "tcp", bootstrap, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.WriteMessages(messages(50)...); err != nil {
		t.Fatal(err)
	}
	first, last, err := conn.ReadOffsets()
	if err != nil || first != 0 || last != 50 {
		t.Fatal(first, last, err)
	}
	if _, err := conn.Seek(40, kafka.SeekAbsolute); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(90 * time.Second))
	batch := conn.ReadBatch(1, 1e6)
	for i := 40; i < 50; i++ {
		m, err := batch.ReadMessage()
		if err != nil || string(m.Value) != fmt.Sprint("v", i) {
			t.Fatalf("%d: %q %v", i, m.Value, err)
		}
	}
	batch.Close()
	if bs, err := conn.Brokers(); err != nil || len(bs) != 1 {
		t.Fatal(bs, err)
	}
	if c, err := conn.Controller(); err != nil || c.Port == 0 {
		t.Fatal(c, err)
	}
	if vs, err := conn.ApiVersions(); err != nil || len(vs) < 30 {
		t.Fatal(len(vs), err)
	}
}

func TestHeadersNullsTimes(t *testing.T) {
	name := topic(t, 1)
	at := time.UnixMilli(1_600_000_000_000)
	write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll}, kafka.Message{Time: at, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}}}, kafka.Message{Value: []byte("v")})
	ms := read(t, reader(t, kafka.ReaderConfig{Topic: name}), 2)
	if !ms[0].Time.Equal(at) || len(ms[0].Headers) != 2 || string(ms[0].Headers[1].Value) != "2" || ms[0].Key != nil {
		t.Fatalf("%+v", ms[0])
	}
}

func TestLargeMessages(t *testing.T) {
	name := topic(t, 1)
	value := bytes.Repeat([]byte("0123456789"), 90_000)
	for i := 0; i < 3; i++ {
		write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll, BatchBytes: 1 << 20}, kafka.Message{Value: value})
	}
	for _, m := range read(t, reader(t, kafka.ReaderConfig{Topic: name, MaxBytes: 2e6}), 3) {
		if !bytes.Equal(m.Value, value) {
			t.Fatal("bytes differ")
		}
	}
}

func TestTooLarge(t *testing.T) {
	name := topic(t, 1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "10000"})
	w := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: name, MaxAttempts: 1, RequiredAcks: kafka.RequireAll}
	defer w.Close()
	var errs kafka.WriteErrors
	err := w.WriteMessages(limited(t), kafka.Message{Value: make([]byte, 50_000)})
	if !errors.Is(err, kafka.MessageSizeTooLarge) && !(errors.As(err, &errs) && errors.Is(errs[0], kafka.MessageSizeTooLarge)) {
		t.Fatal(err)
	}
}

func TestAutoCreation(t *testing.T) {
	name := unique("auto")
	w := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: name, RequiredAcks: kafka.RequireAll, AllowAutoTopicCreation: true, BatchTimeout: 10 * time.Millisecond}
	defer w.Close()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := w.WriteMessages(limited(t), kafka.Message{Value: []byte("x")})
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestReaderOffsetsAndTimes(t *testing.T) {
	name := topic(t, 1)
	ms := messages(50)
	for i := range ms {
		ms[i].Time = time.UnixMilli(1_700_000_000_000 + int64(i)*1000)
	}
	write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll}, ms...)
	r := reader(t, kafka.ReaderConfig{Topic: name})
	if err := r.SetOffset(45); err != nil {
		t.Fatal(err)
	}
	checkValues(t, read(t, r, 5), 45)
	if err := r.SetOffsetAt(limited(t), time.UnixMilli(1_700_000_000_000+30_500)); err != nil {
		t.Fatal(err)
	}
	checkValues(t, read(t, r, 19), 31)
	if lag, err := r.ReadLag(limited(t)); err != nil || lag != 0 {
		t.Fatal(lag, err)
	}
}

func TestGroup(t *testing.T) {
	for _, b := range []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}} {
		t.Run(b.ProtocolName(), func(t *testing.T) {
			name, group := topic(t, 4), unique("g")
			c := kafka.ReaderConfig{GroupID: group, Topic: name, GroupBalancers: []kafka.GroupBalancer{b}, HeartbeatInterval: 300 * time.Millisecond, SessionTimeout: 45 * time.Second, JoinGroupBackoff: 200 * time.Millisecond, StartOffset: kafka.FirstOffset}
			write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll, Balancer: &kafka.RoundRobin{}}, messages(100)...)
			a := reader(t, c)
			read(t, a, 100)
			d := reader(t, c)
			deadline := time.Now().Add(120 * time.Second)
			for {
				r, err := admin().DescribeGroups(limited(t), &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
				if err == nil && len(r.Groups) == 1 && r.Groups[0].GroupState == "Stable" && len(r.Groups[0].Members) == 2 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("never two members", err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll, Balancer: &kafka.RoundRobin{}}, messages(40)...)
			got := make(chan kafka.Message, 100)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for _, r := range []*kafka.Reader{a, d} {
				go func() {
					for {
						m, err := r.ReadMessage(ctx)
						if err != nil {
							return
						}
						got <- m
					}
				}()
			}
			seen := map[string]int{}
			for len(seen) < 40 {
				select {
				case m := <-got:
					seen[fmt.Sprint(m.Partition, "-", m.Offset)]++
				case <-time.After(120 * time.Second):
					t.Fatalf("only %d of 40", len(seen))
				}
			}
		})
	}
}

func TestCommitAndContinue(t *testing.T) {
	name, group := topic(t, 1), unique("g")
	write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll}, messages(20)...)
	c := kafka.ReaderConfig{GroupID: group, Topic: name, HeartbeatInterval: 300 * time.Millisecond, StartOffset: kafka.FirstOffset}
	r := reader(t, c)
	for i := 0; i < 8; i++ {
		m, err := r.FetchMessage(limited(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.CommitMessages(limited(t), m); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	checkValues(t, read(t, reader(t, c), 12), 8)
	o, err := admin().OffsetFetch(limited(t), &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{name: {0}}})
	if err != nil || o.Topics[name][0].CommittedOffset < 8 {
		t.Fatal(err, o)
	}
}

func TestAdmin(t *testing.T) {
	ctx, a, name := limited(t), admin(), topic(t, 2)
	if r, err := a.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil || !errors.Is(r.Errors[name], kafka.TopicAlreadyExists) {
		t.Fatal(err, r)
	}
	if r, err := a.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: name, Count: 4}}}); err != nil || r.Errors[name] != nil {
		t.Fatal(err, r)
	}
	if r, err := a.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: name, Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "retention.ms", Value: "4321", ConfigOperation: kafka.ConfigOperationSet}}}}}); err != nil || r.Resources[0].Error != nil {
		t.Fatal(err, r)
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := a.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: name, ConfigNames: []string{"retention.ms"}}}})
		if err == nil && len(r.Resources[0].ConfigEntries) == 1 && r.Resources[0].ConfigEntries[0].ConfigValue == "4321" {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err, r)
		}
	}
	write(t, &kafka.Writer{Topic: name, RequiredAcks: kafka.RequireAll, Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 1 })}, messages(10)...)
	o, err := a.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: {kafka.FirstOffsetOf(1), kafka.LastOffsetOf(1)}}})
	if err != nil || o.Topics[name][0].FirstOffset != 0 || o.Topics[name][0].LastOffset != 10 {
		t.Fatal(err, o)
	}
	if m, err := a.Metadata(ctx, &kafka.MetadataRequest{}); err != nil || len(m.Brokers) != 1 || len(m.ClusterID) != 22 {
		t.Fatal(err, m)
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		g, err := a.ListGroups(ctx, &kafka.ListGroupsRequest{})
		if err == nil && g.Error == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err, g) // groups may be loading for a moment, no longer
		}
	}
	if r, err := a.InitProducerID(ctx, &kafka.InitProducerIDRequest{}); err != nil || r.Error != nil || r.Producer.ProducerID < 0 {
		t.Fatal(err, r)
	}
	if r, err := a.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}}); err != nil || r.Errors[name] != nil {
		t.Fatal(err, r)
	}
}
