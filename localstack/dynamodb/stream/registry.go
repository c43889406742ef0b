package stream

import (
	"sort"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/awsjson"
)

// Options configure a registry.
type Options struct {
	Region  string           // default "us-east-1"
	Account string           // default "000000000000"
	Now     func() time.Time // default time.Now
	Shards  int              // open shards a new stream has; default 2
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
	return &Registry{options: o, streams: map[string]*Stream{}}
}

// Enable makes a new stream for a table. A table that had one before gets
// another, with another label and ARN; the older stays readable.
func (r *Registry) Enable(table string, keySchema []KeySchemaElement, view ViewType) *Stream {
	r.expire()
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

// expire lets go of the streams that were disabled longer ago than the
// retention.
func (r *Registry) expire() {
	now := r.options.Now()
	for _, s := range r.list("") {
		if s.expire(now) {
			r.mu.Lock()
			delete(r.streams, s.arn)
			r.mu.Unlock()
		}
	}
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
