package stream

import (
	"sort"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Options configure a registry.
type Options struct {
	Region  string           // default "us-east-1"
	Account string           // default "000000000000"
	Now     func() time.Time // default time.Now
	Shards  int              // open shards a new stream has; default 2
	// Retention is how long a record can be read, and how long a closed shard or a
	// disabled stream is shown; default 24 h. A reader that is further behind misses
	// records.
	Retention time.Duration
}

// Registry holds all streams of one account and Region, enabled or still
// readable. Safe for concurrent use.
type Registry struct {
	options Options

	mu        sync.RWMutex
	streams   map[string]*Stream // by ARN
	lastLabel time.Time
}

// NewRegistry makes a registry without streams.
func NewRegistry(o Options) *Registry {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Shards < 1 {
		o.Shards = 2
	}
	if o.Retention <= 0 {
		o.Retention = Retention
	}
	return &Registry{options: o, streams: map[string]*Stream{}}
}

// Enable makes a new stream for a table. A table that had one before gets
// another, with another label and ARN; the older stays readable.
func (r *Registry) Enable(table string, keySchema []KeySchemaElement, view ViewType) *Stream {
	r.Expire()
	r.mu.Lock()
	defer r.mu.Unlock()
	created := r.nextCreation()
	label := created.Format("2006-01-02T15:04:05.000")
	s := &Stream{
		table:     table,
		label:     label,
		arn:       "arn:aws:dynamodb:" + r.options.Region + ":" + r.options.Account + ":table/" + table + "/stream/" + label,
		region:    r.options.Region,
		view:      view,
		keySchema: keySchema,
		created:   created,
		numbers:   newNumbering(created),
		now:       r.options.Now,
		retention: r.options.Retention,
	}
	s.openFirst(r.options.Shards)
	r.streams[s.arn] = s
	return s
}

// nextCreation is now in milliseconds, moved on if a stream has that label
// already.
func (r *Registry) nextCreation() time.Time {
	created := r.options.Now().UTC().Truncate(time.Millisecond)
	if !created.After(r.lastLabel) {
		created = r.lastLabel.Add(time.Millisecond)
	}
	r.lastLabel = created
	return created
}

// Disable closes the stream's shards. What it holds can be read until it is
// trimmed. Disabling twice does nothing.
func (r *Registry) Disable(s *Stream) { s.disable() }

// Split splits an open shard of a stream, see [Stream.Split]. The error is a
// ResourceNotFoundException if there is no such stream.
func (r *Registry) Split(arn, shardID string) error {
	s, err := r.stream(arn)
	if err != nil {
		return err
	}
	return s.Split(shardID)
}

// Expire lets go of what is older than the retention: records, closed shards and
// disabled streams. Appending and reading do so too, for what they touch; call
// Expire now and then for the memory of what nobody touches.
func (r *Registry) Expire() {
	now := r.options.Now()
	for _, s := range r.list("") {
		if s.expire(now) {
			r.mu.Lock()
			delete(r.streams, s.arn)
			r.mu.Unlock()
		}
	}
}

// ARNs lists the streams of all tables, those that are disabled too.
func (r *Registry) ARNs() []string {
	var arns []string
	for _, s := range r.list("") {
		arns = append(arns, s.arn)
	}
	return arns
}

// list gives the streams of a table, or of all tables if it is "", by ARN.
func (r *Registry) list(table string) []*Stream {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []*Stream
	for _, s := range r.streams {
		if table == "" || s.table == table {
			found = append(found, s)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].arn < found[j].arn })
	return found
}

// stream finds a stream by its ARN.
func (r *Registry) stream(arn string) (*Stream, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.streams[arn]
	if !ok {
		return nil, awsjson.Errorf("ResourceNotFoundException", "Requested resource not found: Stream: %s not found", arn)
	}
	return s, nil
}

// errShardNotFound answers for a shard that never was, or is gone.
var errShardNotFound = awsjson.Errorf("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
