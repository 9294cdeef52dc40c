// A member of a consumer group that writes down what it gets: member BOOTSTRAP GROUP TOPIC LOG. SIGTERM ends it.
// The log's format is described in packages/suite.py.
package main

import (
	"bufio"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, group, topic := os.Args[1], os.Args[2], os.Args[3]
	f, err := os.OpenFile(os.Args[4], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	var mu sync.Mutex
	say := func(event string, partition int32, offset int64, crc uint32) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, time.Now().UnixNano(), event, partition, offset, crc)
	}
	flush := func() {
		mu.Lock()
		defer mu.Unlock()
		out.Flush()
	}
	each := func(event string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			for _, p := range ps[topic] {
				say(event, p, -1, 0)
			}
			flush()
		}
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.BlockRebalanceOnPoll(), kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.FetchMaxPartitionBytes(200_000), kgo.OnPartitionsAssigned(each("P")), kgo.OnPartitionsRevoked(each("V")), kgo.OnPartitionsLost(each("V")))
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		polled, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		fetches := cl.PollRecords(polled, 500)
		cancel()
		next := map[int32]int64{}
		fetches.EachRecord(func(r *kgo.Record) {
			say("R", r.Partition, r.Offset, crc32.Update(crc32.ChecksumIEEE(r.Key), crc32.IEEETable, r.Value))
			next[r.Partition] = r.Offset + 1
		})
		for p, o := range next {
			say("C", p, o, 0)
		}
		flush()
		if len(next) > 0 {
			commit, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			err := cl.CommitRecords(commit, fetches.Records()...)
			cancel()
			if err == nil {
				for p, o := range next {
					say("A", p, o, 0)
				}
			}
			flush()
		}
		cl.AllowRebalance()
	}
	cl.LeaveGroup()
	cl.Close()
	flush()
}
