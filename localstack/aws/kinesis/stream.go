package kinesis

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"sort"
	"sync"
	"time"
)

// stream is one stream.
type stream struct {
	name, arn, mode string
	account, region string
	created         time.Time
	now             func() time.Time
	shards          []*shard // in the order of their hash keys; guarded by mu but for their fixed fields

	mu    sync.Mutex
	last  uint64 // the count of the latest record; counts of all shards are distinct
	usage StreamUsage
}

// shard is one ordered piece of a stream.
type shard struct {
	id        string
	low, high *big.Int // the hash keys it takes, both included
	records   []*record
	trimmed   uint64        // count of the latest record that was trimmed
	wake      chan struct{} // closed on a new record; nil if no one waits
}

// record is one record as it is kept.
type record struct {
	shard    int
	count    uint64 // grows with each record of the stream
	key      string // the partition key
	data     []byte
	arrived  time.Time
	sequence string
}

// hashKeys is how many hash keys there are: two to the power of 128.
var hashKeys = new(big.Int).Lsh(big.NewInt(1), 128)

// newStream makes a stream whose shards share the hash keys evenly.
func newStream(name, mode string, shards int, o Options) *stream {
	st := &stream{
		name: name, arn: "arn:aws:kinesis:" + o.Region + ":" + o.Account + ":stream/" + name, mode: mode,
		account: o.Account, region: o.Region, created: o.Now(), now: o.Now,
	}
	each := new(big.Int).Div(hashKeys, big.NewInt(int64(shards)))
	for i := range shards {
		sh := &shard{id: shardID(i), low: new(big.Int).Mul(each, big.NewInt(int64(i)))}
		if i > 0 {
			st.shards[i-1].high = new(big.Int).Sub(sh.low, big.NewInt(1))
		}
		sh.high = new(big.Int).Sub(hashKeys, big.NewInt(1)) // unless another follows
		st.shards = append(st.shards, sh)
	}
	return st
}

func shardID(i int) string { return fmt.Sprintf("shardId-%012d", i) }

// shardAt gives the index of a shard by its id, false if there is none.
func (st *stream) shardAt(id string) (int, bool) {
	for i, sh := range st.shards {
		if sh.id == id {
			return i, true
		}
	}
	return 0, false
}

// shardFor gives the index of the shard that takes a hash key.
func (st *stream) shardFor(hashKey *big.Int) int {
	return sort.Search(len(st.shards), func(i int) bool { return hashKey.Cmp(st.shards[i].high) <= 0 })
}

// hashKey is that of a partition key.
//
// Source: https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html#partition-key
func hashKey(partitionKey string) *big.Int {
	sum := md5.Sum([]byte(partitionKey))
	return new(big.Int).SetBytes(sum[:])
}

// append puts a record at the end of its shard.
func (st *stream) append(hashKey *big.Int, partitionKey string, data []byte) *record {
	st.mu.Lock()
	defer st.mu.Unlock()
	now := st.now()
	st.last++
	r := &record{shard: st.shardFor(hashKey), count: st.last, key: partitionKey, data: data, arrived: now}
	r.sequence = st.number(r.shard, r.count, now)
	sh := st.shards[r.shard]
	sh.trim(now)
	sh.records = append(sh.records, r)
	if sh.wake != nil {
		close(sh.wake)
		sh.wake = nil
	}
	st.usage.Records++
	st.usage.Bytes += len(data) + len(partitionKey)
	return r
}

// trim lets go of the records that are older than the retention.
func (sh *shard) trim(now time.Time) {
	n := 0
	for n < len(sh.records) && now.Sub(sh.records[n].arrived) >= Retention {
		sh.trimmed = sh.records[n].count
		n++
	}
	if n > 0 {
		sh.records = append(sh.records[:0:0], sh.records[n:]...) // a copy, so that what is trimmed can be freed
	}
}

// fromLocked gives up to limit records of a shard with at least a count.
func (st *stream) fromLocked(shard int, count uint64, limit int) []*record {
	sh := st.shards[shard]
	sh.trim(st.now())
	i := sort.Search(len(sh.records), func(i int) bool { return sh.records[i].count >= count })
	return append([]*record(nil), sh.records[i:min(len(sh.records), i+limit)]...)
}
