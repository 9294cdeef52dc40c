package franzgo

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 90 s")
		}
	}
}

func TestAdminTopics(t *testing.T) {
	adm, ctx, name := kadm.NewClient(client(t)), limited(t), unique("t")
	r, err := adm.CreateTopic(ctx, 2, 1, nil, name)
	if err != nil || r.NumPartitions != 2 || r.ID == (kadm.TopicID{}) {
		t.Fatalf("%v %+v", err, r)
	}
	if _, err = adm.CreateTopic(ctx, 2, 1, nil, name); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Fatal(err)
	}
	if _, err = adm.CreateTopic(ctx, 2, 1, nil, "a b"); !errors.Is(err, kerr.InvalidTopicException) {
		t.Fatal(err)
	}
	if _, err = adm.CreateTopic(ctx, 2, 3, nil, unique("t")); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Fatal(err)
	}
	if _, err := adm.UpdatePartitions(ctx, 5, name); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		d, err := adm.ListTopics(ctx, name)
		return err == nil && len(d[name].Partitions) == 5 && d[name].ID == r.ID
	})
	if _, err := adm.DeleteTopics(ctx, name); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { d, err := adm.ListTopics(ctx); return err == nil && !d.Has(name) })
}

func TestAdminConfigs(t *testing.T) {
	adm, ctx := kadm.NewClient(client(t)), limited(t)
	name := topic(t, 1, map[string]*string{"retention.ms": kadm.StringPtr("5000")})
	value := func(key string) string {
		rc, err := adm.DescribeTopicConfigs(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rc[0].Configs {
			if c.Key == key {
				return c.MaybeValue()
			}
		}
		return "(missing)"
	}
	if value("retention.ms") != "5000" {
		t.Fatal(value("retention.ms"))
	}
	rs, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "segment.ms", Value: kadm.StringPtr("99999")}, {Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")}}, name)
	if err != nil || rs[0].Err != nil {
		t.Fatal(err, rs)
	}
	eventually(t, func() bool { return value("segment.ms") == "99999" && value("cleanup.policy") == "delete,compact" })
	rs, err = adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("7000")}}, name)
	if err != nil || rs[0].Err != nil {
		t.Fatal(err, rs)
	}
	eventually(t, func() bool { return value("retention.ms") == "7000" && value("segment.ms") == "604800000" })
	bs, err := adm.ListBrokers(ctx)
	if err != nil || len(bs) != 1 {
		t.Fatal(err, bs)
	}
	bc, err := adm.DescribeBrokerConfigs(ctx, bs[0].NodeID)
	if err != nil || len(bc[0].Configs) < 150 {
		t.Fatal(err, len(bc))
	}
}

func TestAdminCluster(t *testing.T) {
	adm, ctx := kadm.NewClient(client(t)), limited(t)
	m, err := adm.BrokerMetadata(ctx)
	if err != nil || len(m.Brokers) != 1 || m.Controller != m.Brokers[0].NodeID || len(m.Cluster) != 22 {
		t.Fatalf("%v %+v", err, m)
	}
	if v, err := adm.ApiVersions(ctx); err != nil || v.Sorted()[0].Err != nil {
		t.Fatal(err)
	}
	dirs, err := adm.DescribeAllLogDirs(ctx, nil)
	if err != nil || len(dirs) != 1 {
		t.Fatal(err, dirs)
	}
	if q, err := adm.DescribeClientQuotas(ctx, false, nil); err != nil || len(q) != 0 {
		t.Fatal(err, q)
	}
}

func TestAdminOffsets(t *testing.T) {
	adm, ctx, name := kadm.NewClient(client(t)), limited(t), topic(t, 2, nil)
	produce(t, name, 0, 30)
	check := func(l kadm.ListedOffsets, err error, want int64) {
		t.Helper()
		o, ok := l.Lookup(name, 0)
		if err != nil || !ok || o.Err != nil || o.Offset != want {
			t.Fatalf("%v %+v, want %d", err, o, want)
		}
	}
	l, err := adm.ListEndOffsets(ctx, name)
	check(l, err, 30)
	l, err = adm.ListStartOffsets(ctx, name)
	check(l, err, 0)
	l, err = adm.ListCommittedOffsets(ctx, name)
	check(l, err, 30)
	l, err = adm.ListOffsetsAfterMilli(ctx, 0, name)
	check(l, err, 0)
	l, err = adm.ListMaxTimestampOffsets(ctx, name)
	if o, _ := l.Lookup(name, 0); err != nil || o.Offset < 0 || o.Offset > 29 {
		t.Fatal(err, o)
	}
	var os kadm.Offsets = make(kadm.Offsets)
	os.Add(kadm.Offset{Topic: name, Partition: 0, At: 12})
	if _, err := adm.DeleteRecords(ctx, os); err != nil {
		t.Fatal(err)
	}
	l, err = adm.ListStartOffsets(ctx, name)
	check(l, err, 12)
	e, err := adm.OffetForLeaderEpoch(ctx, func() kadm.OffsetForLeaderEpochRequest {
		var r kadm.OffsetForLeaderEpochRequest
		r.Add(name, 0, 0)
		return r
	}())
	if err != nil || e[name][0].EndOffset != 30 {
		t.Fatal(err, e)
	}
}

func TestAdminGroups(t *testing.T) {
	adm, ctx, name, group := kadm.NewClient(client(t)), limited(t), topic(t, 2, nil), unique("g")
	produce(t, name, 0, 10)
	cl := client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.Balancers(kgo.RangeBalancer()))
	read(t, cl, 10)
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	d, err := adm.DescribeGroups(ctx, group)
	if err != nil || d[group].State != "Stable" || d[group].Protocol != "range" || len(d[group].Members) != 1 {
		t.Fatalf("%v %+v", err, d)
	}
	lag, err := adm.Lag(ctx, group)
	if err != nil || lag[group].Lag.Total() != 0 {
		t.Fatalf("%v %+v", err, lag)
	}
	if l, err := adm.ListGroups(ctx, "Stable"); err != nil || l[group].Group != group {
		t.Fatal(err, l)
	}
	if _, err := adm.DeleteGroup(ctx, group); !errors.Is(err, kerr.NonEmptyGroup) {
		t.Fatal(err)
	}
	cl.Close()
	eventually(t, func() bool { d, _ := adm.DescribeGroups(ctx, group); return d[group].State == "Empty" })
	os := make(kadm.Offsets)
	os.Add(kadm.Offset{Topic: name, Partition: 1, At: 7, LeaderEpoch: -1})
	if err := adm.CommitAllOffsets(ctx, group, os); err != nil {
		t.Fatal(err)
	}
	f, err := adm.FetchOffsets(ctx, group)
	if o, ok := f.Lookup(name, 1); err != nil || !ok || o.At != 7 {
		t.Fatal(err, f)
	}
	if o, ok := f.Lookup(name, 0); !ok || o.At != 10 {
		t.Fatal(f)
	}
	many := adm.FetchManyOffsets(ctx, group, unique("missing"))
	if err := many.Error(); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteOffsets(ctx, group, kadm.TopicsSet{name: {1: {}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteGroup(ctx, group); err != nil {
		t.Fatal(err)
	}
}

func TestAdminLeadersAndReassignments(t *testing.T) {
	adm, ctx, name := kadm.NewClient(client(t)), limited(t), topic(t, 1, nil)
	r, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{name: {0: {}}})
	if err != nil || !errors.Is(r[name][0].Err, kerr.ElectionNotNeeded) {
		t.Fatal(err, r)
	}
	if l, err := adm.ListPartitionReassignments(ctx, kadm.TopicsSet{name: {0: {}}}); err != nil || len(l) != 0 {
		t.Fatal(err, l)
	}
	p, err := adm.DescribeProducers(ctx, kadm.TopicsSet{name: {0: {}}})
	if err != nil || len(p) != 1 {
		t.Fatal(err, p)
	}
}
