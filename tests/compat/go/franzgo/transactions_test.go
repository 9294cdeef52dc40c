package franzgo

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// offers skips the test when the broker does not offer this API.
func offers(t *testing.T, key kmsg.Key) {
	t.Helper()
	versions, err := kadm.NewClient(client(t)).ApiVersions(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		if _, ok := v.KeyMaxVersion(key.Int16()); !ok {
			t.Skipf("%s is not offered", key.Name())
		}
	}
}

func transactional(t *testing.T, id string, opts ...kgo.Opt) *kgo.Client {
	return client(t, append([]kgo.Opt{kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1)}, opts...)...)
}

func values(prefix string, topic string, partition int32, n int) []*kgo.Record {
	var rs []*kgo.Record
	for i := 0; i < n; i++ {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(fmt.Sprint(prefix, i))})
	}
	return rs
}

func committed(t *testing.T, topic string) *kgo.Client {
	return client(t, direct(topic, 0, kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

func TestTransactionCommitAndAbort(t *testing.T) {
	offers(t, kmsg.AddPartitionsToTxn)
	name := topic(t, 1, nil)
	cl := transactional(t, unique("x"))
	for i, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(limited(t), values("v", name, 0, 2+i)...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(limited(t), how); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, committed(t, name), 8)
	checkValues(t, got[:3], 0)
	checkValues(t, got[3:], 0)
	read(t, client(t, direct(name, 0, kgo.NewOffset().AtStart())), 14)
}

func TestTransactionFenced(t *testing.T) {
	offers(t, kmsg.AddPartitionsToTxn)
	name, id := topic(t, 1, nil), unique("x")
	one := transactional(t, id)
	if err := one.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := one.ProduceSync(limited(t), values("gone", name, 0, 1)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	two := transactional(t, id)
	if err := two.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := two.ProduceSync(limited(t), values("v", name, 0, 1)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	err := one.EndTransaction(limited(t), kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Fatalf("a fenced producer: %v", err)
	}
	if err := two.EndTransaction(limited(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	checkValues(t, read(t, committed(t, name), 1), 0)
}

func consumeTransformProduce(t *testing.T, opts ...kgo.Opt) {
	in, out, group := topic(t, 3, nil), topic(t, 1, nil), unique("g")
	for p := int32(0); p < 3; p++ {
		produce(t, in, p, 50)
	}
	session, err := kgo.NewGroupTransactSession(append([]kgo.Opt{
		kgo.SeedBrokers(client(t).OptValue(kgo.SeedBrokers).([]string)...), kgo.TransactionalID(unique("x")), kgo.ConsumerGroup(group), kgo.ConsumeTopics(in),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ctx := limited(t)
	for done, round := 0, 0; done < 150; round++ {
		fs := session.PollRecords(ctx, 20)
		if ctx.Err() != nil {
			t.Fatalf("only %d of 150", done)
		}
		if err := session.Begin(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: out, Value: append([]byte(fmt.Sprint(r.Partition, " ")), r.Value...)}, func(_ *kgo.Record, err error) {
				if err != nil && !errors.Is(err, kgo.ErrAborting) { // an abort drops what has not been sent
					t.Errorf("produce: %v", err)
				}
			})
		})
		how := kgo.TransactionEndTry(round%4 != 1)
		ok, err := session.End(ctx, how)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			done += fs.NumRecords()
		}
	}
	seen := map[string]int{}
	for _, r := range read(t, committed(t, out), 150) {
		seen[string(r.Value)]++
	}
	if len(seen) != 150 {
		t.Fatalf("%d values, not 150", len(seen))
	}
	// The last transaction is decided, but its offsets may be pending still.
	eventually(t, func() bool {
		offsets, err := kadm.NewClient(client(t)).FetchOffsets(limited(t), group)
		if err != nil {
			t.Fatal(err)
		}
		for p := int32(0); p < 3; p++ {
			if o, _ := offsets.Lookup(in, p); o.At != 50 {
				return false
			}
		}
		return true
	})
}

func TestConsumeTransformProduceClassic(t *testing.T) {
	offers(t, kmsg.AddPartitionsToTxn)
	consumeTransformProduce(t, kgo.Balancers(kgo.CooperativeStickyBalancer()))
}

// nextGen asks for the consumer protocol (KIP-848).
func nextGen(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}, more...)
}

func TestConsumeTransformProduceConsumerProtocol(t *testing.T) {
	offers(t, kmsg.AddPartitionsToTxn)
	offers(t, kmsg.ConsumerGroupHeartbeat)
	consumeTransformProduce(t, nextGen()...)
}

func TestConsumerProtocol(t *testing.T) {
	offers(t, kmsg.ConsumerGroupHeartbeat)
	name, group := topic(t, 4, nil), unique("g")
	for p := int32(0); p < 4; p++ {
		produce(t, name, p, 25)
	}
	member := func() *kgo.Client {
		return client(t, nextGen(kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())...)
	}
	one := member()
	read(t, one, 100)
	if err := one.CommitUncommittedOffsets(limited(t)); err != nil {
		t.Fatal(err)
	}
	two := member()
	adm := kadm.NewClient(client(t))
	eventually(t, func() bool {
		short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		one.PollFetches(short)
		two.PollFetches(short)
		d, err := adm.DescribeConsumerGroups(limited(t), group)
		if err != nil || len(d[group].Members) != 2 || d[group].State != "Stable" {
			return false
		}
		for _, m := range d[group].Members {
			n := 0
			for _, ps := range m.Assignment {
				n += len(ps)
			}
			if n != 2 {
				return false
			}
		}
		return true
	})
	one.Close()
	produce(t, name, 0, 5)
	produce(t, name, 3, 5)
	read(t, two, 10)
}

func TestTransactionsAdmin(t *testing.T) {
	offers(t, kmsg.ListTransactions)
	name, id := topic(t, 2, nil), unique("x")
	cl := transactional(t, id)
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(limited(t), append(values("v", name, 0, 1), values("v", name, 1, 1)...)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(client(t))
	d, err := adm.DescribeTransactions(limited(t), id)
	if err != nil || d[id].State != "Ongoing" || len(d[id].Topics[name]) != 2 {
		t.Fatalf("%v, %+v", err, d[id])
	}
	l, err := adm.ListTransactions(limited(t), nil, []string{"Ongoing"})
	if err != nil || l[id].State != "Ongoing" {
		t.Fatalf("%v, %+v", err, l)
	}
	p, err := adm.DescribeProducers(limited(t), kadm.TopicsSet{name: {0: {}}})
	if err != nil || len(p[name].Partitions[0].ActiveProducers) != 1 {
		t.Fatalf("%v, %+v", err, p)
	}
	if err := cl.EndTransaction(limited(t), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
}
