package sqs

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/recent"
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// fifoSuffix ends the names of all FIFO queues, and of no others.
const fifoSuffix = ".fifo"

// queue is one queue.
type queue struct {
	name, url, arn string
	account        string
	created        time.Time
	now            func() time.Time

	mu       sync.Mutex
	settings settings
	modified time.Time
	messages []*message    // in order of arrival, by number
	arrived  uint64        // the number of the last one
	earliest time.Time     // no message was sent before
	changed  chan struct{} // closed when a receive should look again; nil if none waits
	deleted  bool
	usage    QueueUsage
	fifo     fifo // of a FIFO queue
}

// wakeLocked lets the receives that wait look again.
func (q *queue) wakeLocked() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// expireLocked drops what is older than the retention period.
func (q *queue) expireLocked(now time.Time) {
	oldest := now.Add(-q.settings.duration("MessageRetentionPeriod"))
	if !q.earliest.Before(oldest) {
		return
	}
	q.earliest = now
	for _, m := range slices.Clone(q.messages) {
		if m.sent.Before(oldest) {
			q.removeLocked(m)
		} else if m.sent.Before(q.earliest) {
			q.earliest = m.sent
		}
	}
}

// appendLocked puts a message at the end.
func (q *queue) appendLocked(m *message) {
	q.arrived++
	m.number = q.arrived
	if len(q.messages) == 0 || m.sent.Before(q.earliest) {
		q.earliest = m.sent
	}
	q.messages = append(q.messages, m)
	if q.settings.fifo() {
		q.fifo.appendLocked(m)
	}
}

// removeLocked removes a message, which must be there.
func (q *queue) removeLocked(m *message) {
	q.messages = without(q.messages, m)
	if q.settings.fifo() {
		q.fifo.removeLocked(m)
	}
}

// without removes a message from a list in order of arrival.
func without(list []*message, m *message) []*message {
	i, _ := search(list, m.number)
	return slices.Delete(list, i, i+1)
}

func search(list []*message, number uint64) (int, bool) {
	return slices.BinarySearchFunc(list, number, func(m *message, n uint64) int { return cmp.Compare(m.number, n) })
}

// findLocked gives the message that a receipt handle names, or nil if it is gone.
func (q *queue) findLocked(r receipt) *message {
	if i, ok := search(q.messages, r.number); ok && q.messages[i].id == r.id {
		return q.messages[i]
	}
	return nil
}

type createInput struct {
	QueueName  string
	Attributes map[string]string
}

type urlOutput struct{ QueueUrl string }

// createQueue makes a queue; one that exists with the same settings is given
// again.
func (s *Service) createQueue(_ context.Context, in createInput) (any, error) {
	isFIFO := in.Attributes["FifoQueue"] == "true"
	if err := checkName(in.QueueName, isFIFO); err != nil {
		return nil, err
	}
	set, err := newSettings(isFIFO).with(in.Attributes)
	if err != nil {
		return nil, err
	}
	arn := "arn:aws:sqs:" + s.options.Region + ":" + s.options.Account + ":" + in.QueueName
	if err := s.checkRedrive(arn, in.Attributes); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[in.QueueName]; q != nil {
		return q.again(in.Attributes)
	}
	now := s.options.Now()
	q := &queue{
		name: in.QueueName, account: s.options.Account, created: now, modified: now, now: s.options.Now, settings: set,
		url: s.options.BaseURL + "/" + s.options.Account + "/" + in.QueueName, arn: arn,
		fifo: fifo{lookahead: s.options.Lookahead},
	}
	s.queues[q.name] = q
	return urlOutput{q.url}, nil
}

// checkName refuses a name that this kind of queue may not have.
func checkName(name string, fifo bool) error {
	stem, suffixed := strings.CutSuffix(name, fifoSuffix)
	switch {
	case fifo && !(suffixed && queueName.MatchString(stem) && len(name) <= 80):
		return errorf("InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && !queueName.MatchString(name):
		return errorf("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// again answers for a queue that exists: the attributes that are given must be
// what they are.
func (q *queue) again(attributes map[string]string) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked, err := q.settings.with(attributes)
	if err != nil {
		return nil, err
	}
	if !asked.equal(q.settings) {
		return nil, errorf("QueueNameExists", "A queue already exists with the same name and a different value for an attribute.")
	}
	return urlOutput{q.url}, nil
}

type getURLInput struct{ QueueName string }

func (s *Service) getQueueURL(_ context.Context, in getURLInput) (any, error) {
	q, err := s.find(in.QueueName)
	if err != nil {
		return nil, err
	}
	return urlOutput{q.url}, nil
}

type listInput struct {
	QueueNamePrefix string
	MaxResults      int
	NextToken       string // the last name of the page before
}

type listOutput struct {
	QueueUrls []string
	NextToken string `json:",omitempty"`
}

func (s *Service) listQueues(_ context.Context, in listInput) (any, error) {
	if in.MaxResults < 0 || in.MaxResults > 1000 {
		return nil, errorf("InvalidParameterValue", "MaxResults must be an integer between 1 and 1000.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := listOutput{QueueUrls: []string{}}
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if !strings.HasPrefix(name, in.QueueNamePrefix) || name <= in.NextToken {
			continue
		}
		if in.MaxResults > 0 && len(out.QueueUrls) == in.MaxResults {
			out.NextToken = last
			break
		}
		out.QueueUrls = append(out.QueueUrls, s.queues[name].url)
		last = name
	}
	return out, nil
}

type queueInput struct{ QueueUrl string }

func (s *Service) deleteQueue(_ context.Context, in queueInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	delete(s.queues, q.name)
	s.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deleted = true
	q.wakeLocked()
	return none{}, nil
}

func (s *Service) purgeQueue(_ context.Context, in queueInput) (any, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages, q.fifo.groups, q.fifo.accepted = nil, nil, recent.Memory[deduplication, accepted]{}
	return none{}, nil
}
