package stream

import (
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// Record is one change as readers get it. Created is in whole seconds, as
// ApproximateCreationDateTime.
type Record = feed.Record

// record is one change as it is kept: with its images until someone reads it,
// and as JSON from then on.
type record struct {
	stream   *Stream
	count    uint64
	appended time.Time

	once   sync.Once
	change Change // emptied by encode
	json   []byte // as Lambda delivers it
	body   []byte // the part of json that is the value of "dynamodb"
}

func (s *Stream) newRecord(c Change, count uint64, now time.Time) *record {
	if !s.view.hasNew() {
		c.New = nil
	}
	if !s.view.hasOld() {
		c.Old = nil
	}
	return &record{stream: s, count: count, appended: now, change: c}
}

// export gives the record to a reader, encoding it if it is the first.
func (r *record) export() Record {
	r.once.Do(r.encode)
	return Record{
		SequenceNumber: r.stream.numbers.text(r.count),
		Created:        r.appended.Truncate(time.Second),
		Appended:       r.appended,
		Size:           len(r.json),
		JSON:           r.json,
	}
}

// encode makes the JSON form and lets go of the images.
func (r *record) encode() {
	b := r.appendEnvelope(nil, `{"type":"Service","principalId":"dynamodb.amazonaws.com"}`)
	start := len(b)
	b = r.appendBody(b)
	end := len(b)
	b = append(b, `,"eventSourceARN":`...)
	b = strconv.AppendQuote(b, r.stream.arn)
	r.json = append(b, '}')
	r.body = r.json[start:end]
	r.change = Change{Op: r.change.Op, TTL: r.change.TTL}
}

// apiJSON is the record as GetRecords answers it: without eventSourceARN, and
// with the identity's members named as in the API model (Lambda lowers them).
func (r *record) apiJSON() []byte {
	r.once.Do(r.encode)
	b := make([]byte, 0, len(r.json))
	b = r.appendEnvelope(b, `{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}`)
	b = append(b, r.body...)
	return append(b, '}')
}

// appendEnvelope opens the record's object and writes everything up to the
// value of its "dynamodb" member.
func (r *record) appendEnvelope(b []byte, identity string) []byte {
	b = append(b, `{"eventID":"`...)
	b = append(b, r.eventID()...)
	b = append(b, `","eventName":"`...)
	b = append(b, r.change.Op...)
	b = append(b, `","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":`...)
	b = strconv.AppendQuote(b, r.stream.region)
	if r.change.TTL {
		b = append(b, `,"userIdentity":`...)
		b = append(b, identity...)
	}
	return append(b, `,"dynamodb":`...)
}

func (r *record) appendBody(b []byte) []byte {
	c := &r.change
	b = append(b, `{"ApproximateCreationDateTime":`...)
	b = strconv.AppendInt(b, r.appended.Unix(), 10)
	b = append(b, `,"Keys":`...)
	b = c.Keys.AppendJSON(b)
	b = appendImage(b, "NewImage", c.New)
	b = appendImage(b, "OldImage", c.Old)
	b = append(b, `,"SequenceNumber":"`...)
	b = append(b, r.stream.numbers.text(r.count)...)
	b = append(b, `","SizeBytes":`...)
	b = strconv.AppendInt(b, int64(c.Keys.Size()+c.New.Size()+c.Old.Size()), 10)
	b = append(b, `,"StreamViewType":"`...)
	b = append(b, r.stream.view...)
	return append(b, `"}`...)
}

func appendImage(b []byte, name string, image item.Item) []byte {
	if image == nil {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return image.AppendJSON(b)
}

// eventID is unique in all streams and the same each time the record is read.
func (r *record) eventID() string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(r.stream.arn))                   // a hash cannot fail
	_, _ = h.Write([]byte(r.stream.numbers.text(r.count))) // nor here
	return hex.EncodeToString(h.Sum(nil))
}
