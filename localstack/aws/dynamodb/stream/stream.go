package stream

import (
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// ViewType says what a record carries besides the item's keys.
type ViewType string

// The view types DynamoDB knows.
const (
	KeysOnly        ViewType = "KEYS_ONLY"
	NewImage        ViewType = "NEW_IMAGE"
	OldImage        ViewType = "OLD_IMAGE"
	NewAndOldImages ViewType = "NEW_AND_OLD_IMAGES"
)

// Valid reports whether DynamoDB knows this view type.
func (v ViewType) Valid() bool { return v == KeysOnly || v.hasNew() || v.hasOld() }

func (v ViewType) hasNew() bool { return v == NewImage || v == NewAndOldImages }
func (v ViewType) hasOld() bool { return v == OldImage || v == NewAndOldImages }

// Op is what happened to an item.
type Op string

// The operations of a change.
const (
	Insert Op = "INSERT"
	Modify Op = "MODIFY"
	Remove Op = "REMOVE"
)

// Change is one committed change of one item. The items must not be changed
// after they were handed over.
type Change struct {
	Op           Op
	Keys         item.Item // the primary key's attributes only
	Old          item.Item // nil for Insert
	New          item.Item // nil for Remove
	TTL          bool      // deleted because its time to live ran out
	PartitionKey string    // the hash key's KeyBytes; chooses the shard
}

// KeySchemaElement is one attribute of a table's primary key, as DescribeStream
// shows it.
type KeySchemaElement struct {
	AttributeName string
	KeyType       string // HASH or RANGE
}

// Stream is one life of a table's stream, from switching it on to switching it
// off. Safe for concurrent use.
type Stream struct {
	table     string
	label     string
	arn       string
	region    string
	view      ViewType
	keySchema []KeySchemaElement
	created   time.Time
	numbers   numbering
	now       func() time.Time
	retention time.Duration

	mu       sync.Mutex
	last     uint64   // count of the latest change, or of the latest shard's start
	shards   []*shard // parents before children
	made     int      // shards ever made; numbers the next one
	disabled bool
	changed  chan struct{} // closed when shards come, close or go; nil if no one asked
}

// ARN is the stream's name, "arn:aws:dynamodb:{region}:{account}:table/{table}/stream/{label}".
func (s *Stream) ARN() string { return s.arn }

// Label is the time of the stream's creation in UTC with milliseconds; no two
// streams of a registry share one.
func (s *Stream) Label() string { return s.label }

// ViewType is what the stream's records carry.
func (s *Stream) ViewType() ViewType { return s.view }

// Append takes in changes in commit order and numbers them. It makes no I/O and
// encodes nothing, so it may be called under the lock that ordered the changes.
// A stream that is disabled takes in nothing.
func (s *Stream) Append(changes ...Change) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disabled {
		return
	}
	for _, c := range changes {
		s.last++
		home := s.home(c.PartitionKey)
		home.trim(now, s.retention)
		home.append(s.newRecord(c, s.last, now))
	}
}

// home is the open shard that the changes of a partition go to. The open shards
// divide all hashes between them, so there is always one.
func (s *Stream) home(partitionKey string) *shard {
	hash := crc32.ChecksumIEEE([]byte(partitionKey))
	for _, sh := range s.shards {
		if !sh.closed && sh.low <= hash && hash <= sh.high {
			return sh
		}
	}
	return nil
}

// Split closes an open shard and opens two children, each for half of its
// partitions. It fails if there is no such open shard or it holds a single hash.
func (s *Stream) Split(shardID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := s.shard(shardID)
	if parent == nil {
		return fmt.Errorf("split %s of %s: %w", shardID, s.arn, errShardNotFound)
	}
	if parent.closed || parent.low == parent.high {
		return fmt.Errorf("split %s of %s: the shard is closed or holds a single hash", shardID, s.arn)
	}
	now := s.now()
	middle := parent.low + (parent.high-parent.low)/2
	parent.close(s.last, now)
	s.reserve()
	s.open(parent.id, parent.low, middle, now)
	s.open(parent.id, middle+1, parent.high, now)
	s.announce()
	return nil
}

// openFirst makes the shards a new stream starts with; they divide all hashes
// evenly.
func (s *Stream) openFirst(count int) {
	s.reserve()
	step := uint64(1<<32) / uint64(count)
	for i := range uint64(count) {
		high := (i+1)*step - 1
		if i == uint64(count)-1 {
			high = 1<<32 - 1
		}
		s.open("", uint32(i*step), uint32(high), s.created)
	}
}

// reserve takes a number that no change gets: the shards that are opened next start with
// it. A reader may begin there, at it or after it, and misses nothing, though there is no
// change yet.
func (s *Stream) reserve() { s.last++ }

func (s *Stream) open(parent string, low, high uint32, now time.Time) {
	s.made++
	s.shards = append(s.shards, &shard{
		id:     fmt.Sprintf("shardId-%020d-%08x", now.UnixMilli(), s.made),
		parent: parent,
		low:    low,
		high:   high,
		start:  s.last,
	})
}

// disable closes every shard; what they hold stays readable until trimmed.
func (s *Stream) disable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disabled {
		return
	}
	s.disabled = true
	now := s.now()
	for _, sh := range s.shards {
		sh.close(s.last, now)
	}
	s.announce()
}

// shard finds a shard by its id; nil if there is none or it is gone.
func (s *Stream) shard(id string) *shard {
	for _, sh := range s.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// expire trims every shard and lets go of those closed for longer than the
// retention. It reports whether the whole stream is gone with them.
func (s *Stream) expire(now time.Time) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.shards[:0:0]
	for _, sh := range s.shards {
		if sh.trim(now, s.retention); !sh.closed || now.Sub(sh.closedAt) < s.retention {
			kept = append(kept, sh)
		}
	}
	if len(kept) < len(s.shards) {
		s.shards = kept
		s.announce()
	}
	return s.disabled && len(s.shards) == 0
}

// announce wakes those who wait for the shards to change.
func (s *Stream) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
