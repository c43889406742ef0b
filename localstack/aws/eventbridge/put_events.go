package eventbridge

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/uuid"
)

// Limits of PutEvents. The documents of some SDKs still say 256 KB.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
const (
	MaxEntries = 10
	MaxBytes   = 1 << 20 // of all entries together
	timeBytes  = 14      // that a time counts as
)

// entry is an event as a client puts it.
type entry struct {
	Source       string
	DetailType   string
	Detail       string
	EventBusName string
	Resources    []string
	Time         *float64 // seconds since 1970
	TraceHeader  string   // has no effect here
}

// size is what counts against the limit.
func (e entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	for _, r := range e.Resources {
		n += len(r)
	}
	if e.Time != nil {
		n += timeBytes
	}
	return n
}

var errMalformed = awsjson.Errorf("MalformedDetail", "Detail is malformed.")

// check gives what EventBridge refuses the entry for.
func (e entry) check() *awsjson.Error {
	switch {
	case e.Source == "":
		return missing("Source")
	case e.DetailType == "":
		return missing("DetailType")
	case e.Detail == "":
		return missing("Detail")
	case strings.HasPrefix(e.Source, "aws."): // only AWS's own services may
		return awsjson.Errorf("NotAuthorizedForSourceException", "Not authorized for the source.")
	case !isObject(e.Detail):
		return errMalformed
	}
	return nil
}

func missing(parameter string) *awsjson.Error {
	return awsjson.Errorf("InvalidArgument", "Parameter %s is not valid. Reason: %s is a required argument.", parameter, parameter)
}

func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Valid([]byte(text))
}

// event is an event as targets get it.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"` // to the second
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// newEvent gives an event what EventBridge adds.
func (s *Service) newEvent(source, detailType string, at time.Time, resources []string, detail string) event {
	return event{
		Version: "0", ID: uuid.New(), DetailType: detailType, Source: source, Account: s.options.Account,
		Time: at.UTC().Format("2006-01-02T15:04:05Z"), Region: s.options.Region,
		Resources: append([]string{}, resources...), Detail: json.RawMessage(detail),
	}
}

// event is what becomes of an entry.
func (s *Service) event(e entry) event {
	at := s.options.Clock.Now()
	if e.Time != nil {
		at = time.Unix(int64(math.Floor(*e.Time)), 0)
	}
	return s.newEvent(e.Source, e.DetailType, at, e.Resources, e.Detail)
}

type putEventsInput struct {
	Entries    []entry
	EndpointId string
}

type putEventsOutput struct {
	FailedEntryCount int
	Entries          []entryOutput // in the order of the input
}

type entryOutput struct {
	EventId      string `json:",omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// putEvents delivers events to the targets of the rules that match. An entry that is refused does
// not stop the others. An event for a bus that does not exist is accepted and goes nowhere.
func (s *Service) putEvents(_ context.Context, in putEventsInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.usage.Requests++
	s.mu.Unlock()
	out := putEventsOutput{Entries: []entryOutput{}}
	for _, e := range in.Entries {
		id, refusal := s.put(e)
		if refusal != nil {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, entryOutput{ErrorCode: refusal.Type, ErrorMessage: refusal.Message})
			continue
		}
		out.Entries = append(out.Entries, entryOutput{EventId: id})
	}
	return out, nil
}

// put delivers one event and gives its id.
func (s *Service) put(e entry) (id string, refusal *awsjson.Error) {
	if err := e.check(); err != nil {
		return "", err
	}
	made := s.event(e)
	body, err := exactjson.Marshal(made)
	if err != nil { // a detail that is nested too deep
		return "", errMalformed
	}
	for _, r := range s.matching(e.EventBusName, body) {
		s.deliver(r, body)
	}
	return made.ID, nil
}

func (in putEventsInput) check() error {
	if in.EndpointId != "" {
		return invalid("EndpointId is not supported here.")
	}
	if n := len(in.Entries); n < 1 {
		return invalid("1 validation error detected: Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1")
	} else if n > MaxEntries {
		return invalid("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to %d", MaxEntries)
	}
	size := 0
	for _, e := range in.Entries {
		size += e.size()
	}
	if size > MaxBytes {
		return invalid("Total size of the entries in the request is over the limit.")
	}
	return nil
}

// matching gives the enabled rules of a bus whose pattern an event has, and counts the event.
func (s *Service) matching(busName string, body []byte) []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage.Events++
	b := s.findBusLocked(busName)
	if b == nil {
		s.options.Logger.Warn("event for a bus that does not exist", "bus", busName)
		return nil
	}
	var found []delivery
	for _, r := range b.rules {
		if r.enabled && r.pattern != nil && r.pattern.Match(body) {
			found = append(found, r.deliveryLocked())
		}
	}
	return found
}
