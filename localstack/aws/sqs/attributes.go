package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"
)

// MaxMessageBytes is the size of a message, attributes included, and of a batch.
const MaxMessageBytes = 1 << 20

// number is an attribute that is a whole number within bounds.
type number struct{ initial, least, most int }

// numbers are the attributes that change what a queue does: seconds, and bytes.
var numbers = map[string]number{
	"VisibilityTimeout":             {30, 0, 43_200},
	"MessageRetentionPeriod":        {345_600, 60, 1_209_600},
	"DelaySeconds":                  {0, 0, 900},
	"ReceiveMessageWaitTimeSeconds": {0, 0, 20},
	"MaximumMessageSize":            {MaxMessageBytes, 1024, MaxMessageBytes},
}

// kept are the attributes that are kept and given back; there is no one here to
// be let in or kept out. RedrivePolicy has an effect besides.
var kept = []string{"Policy", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "RedrivePolicy"}

// choices are the attributes of FIFO queues only, with the values that each may have, the default
// first.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
var choices = map[string][]string{
	"FifoQueue":                 {"true"},
	"ContentBasedDeduplication": {"false", "true"},
	"DeduplicationScope":        {"queue", "messageGroup"},
	"FifoThroughputLimit":       {"perQueue", "perMessageGroupId"},
}

// settings are what is set of a queue.
type settings struct {
	numbers map[string]int
	kept    map[string]string // choices too
	redrive redrive
}

func newSettings(fifo bool) settings {
	s := settings{numbers: map[string]int{}, kept: map[string]string{}}
	for name, n := range numbers {
		s.numbers[name] = n.initial
	}
	if fifo {
		for name, values := range choices {
			s.kept[name] = values[0]
		}
	}
	return s
}

func (s settings) fifo() bool { return s.kept["FifoQueue"] == "true" }

func (s settings) duration(name string) time.Duration {
	return time.Duration(s.numbers[name]) * time.Second
}

func (s settings) equal(other settings) bool {
	return maps.Equal(s.numbers, other.numbers) && maps.Equal(s.kept, other.kept)
}

// with gives the settings with some attributes set anew.
func (s settings) with(attributes map[string]string) (settings, error) {
	next := settings{numbers: maps.Clone(s.numbers), kept: maps.Clone(s.kept), redrive: s.redrive}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		limits, ok := numbers[name]
		values, choice := choices[name]
		switch {
		case ok:
			n, err := strconv.Atoi(value)
			if err != nil || n < limits.least || n > limits.most {
				return s, errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
			}
			next.numbers[name] = n
		case name == "RedrivePolicy":
			r, err := parseRedrive(value)
			if err != nil {
				return s, err
			}
			next.kept[name], next.redrive = value, r
			if r.most == 0 {
				delete(next.kept, name)
			}
		case slices.Contains(kept, name):
			next.kept[name] = value
		case choice && s.fifo():
			if !slices.Contains(values, value) {
				return s, errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
			}
			next.kept[name] = value
		case name == "RedriveAllowPolicy":
			return s, errorf("UnsupportedOperation", "%s is not supported here.", name)
		default:
			return s, errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	if next.kept["FifoThroughputLimit"] == "perMessageGroupId" && next.kept["DeduplicationScope"] != "messageGroup" {
		return s, errorf("InvalidAttributeValue", "The perMessageGroupId value of FifoThroughputLimit is allowed only when DeduplicationScope is messageGroup.")
	}
	return next, nil
}

type getAttributesInput struct {
	QueueUrl       string
	AttributeNames []string
}

func (s *Service) getQueueAttributes(_ context.Context, in getAttributesInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := q.attributes()
	if slices.Contains(in.AttributeNames, "All") {
		return map[string]any{"Attributes": all}, nil
	}
	wanted := map[string]string{}
	for _, name := range in.AttributeNames {
		value, ok := all[name]
		if !ok && !slices.Contains(kept, name) {
			return nil, errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		if ok {
			wanted[name] = value
		}
	}
	return map[string]any{"Attributes": wanted}, nil
}

type setAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string
}

func (s *Service) setQueueAttributes(_ context.Context, in setAttributesInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := s.checkRedrive(q.arn, in.Attributes); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	next, err := q.settings.with(in.Attributes)
	if err != nil {
		return nil, err
	}
	q.settings, q.modified = next, q.now()
	return none{}, nil
}

// attributes gives all attributes, set and counted.
func (q *queue) attributes() map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	q.expireLocked(now)
	all := maps.Clone(q.settings.kept)
	for name, n := range q.settings.numbers {
		all[name] = strconv.Itoa(n)
	}
	all["QueueArn"] = q.arn
	all["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	var visible, inFlight, delayed int
	for _, m := range q.messages {
		switch {
		case !m.visible.After(now):
			visible++
		case m.receives > 0:
			inFlight++
		default:
			delayed++
		}
	}
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)
	return all
}
