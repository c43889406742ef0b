package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/pattern"
)

// Limits of an event source mapping.
// Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
const (
	MaxBatchSize   = 10_000
	MaxWindow      = 300 * time.Second
	MaxFilters     = 5       // Lambda grants 10 on request
	MaxEvent       = 6 << 20 // bytes of an event, the envelope included
	maxParallel    = 10
	maxRetries     = 10_000
	minRecordAge   = 60 * time.Second
	maxRecordAge   = 604_800 * time.Second
	defaultBatch   = 100
	streamKeeps    = 24 * time.Hour // how long a stream has its records
	trimHorizon    = "TRIM_HORIZON"
	latestPosition = "LATEST"
)

// Mapping is an event source mapping from a stream of DynamoDB or Kinesis to a function.
type Mapping struct {
	UUID      string
	StreamARN string // EventSourceArn
	Function  string // name or ARN; the ARN appears in failure messages
	// BatchSize is the most records an event has: 1 to MaxBatchSize, default 100.
	BatchSize int
	// Window is how long a batch that is not full is waited for, at most
	// MaxWindow; 0 does not wait (MaximumBatchingWindowInSeconds).
	Window time.Duration
	// ParallelizationFactor is how many batches of a shard run at once, 1 to
	// 10, default 1. More than one keeps the order of each item, or partition key, only.
	ParallelizationFactor int
	// Bisect splits a batch that failed (BisectBatchOnFunctionError).
	Bisect bool
	// MaxRetries is how often a failed batch is tried again: 0 to 10,000; -1:
	// until its records expire (MaximumRetryAttempts).
	MaxRetries int
	// MaxRecordAge discards older records: 60 s to 7 days; -1 and 0: when the
	// stream has trimmed them, after 24 hours (MaximumRecordAgeInSeconds).
	MaxRecordAge            time.Duration
	StartingPosition        string   // TRIM_HORIZON or LATEST
	ReportBatchItemFailures bool     // from FunctionResponseTypes
	Filters                 []string // FilterCriteria: patterns, of which a record must match one; not for Kinesis
	TumblingWindow          time.Duration
	// OnFailure takes the message about discarded records to the failure
	// destination; nil drops it.
	OnFailure func(ctx context.Context, body []byte) error
}

// complete gives the mapping with its defaults, or what is wrong with it.
func (m Mapping) complete() (Mapping, []*pattern.Pattern, error) {
	m.BatchSize = cmp.Or(m.BatchSize, defaultBatch)
	m.ParallelizationFactor = cmp.Or(m.ParallelizationFactor, 1)
	if err := m.check(); err != nil {
		return m, nil, err
	}
	if m.MaxRecordAge <= 0 {
		m.MaxRecordAge = streamKeeps
	}
	var filters []*pattern.Pattern
	for _, text := range m.Filters {
		f, err := pattern.Parse(text)
		if err != nil {
			return m, nil, fmt.Errorf("filter %s: %w", text, err)
		}
		filters = append(filters, f)
	}
	return m, filters, nil
}

// ofKinesis tells whether the source is a stream of Kinesis; otherwise it is one of DynamoDB.
func (m Mapping) ofKinesis() bool { return strings.HasPrefix(m.StreamARN, "arn:aws:kinesis:") }

func (m Mapping) check() error {
	switch {
	case m.BatchSize < 1 || m.BatchSize > MaxBatchSize:
		return fmt.Errorf("BatchSize is %d, must be 1 to %d", m.BatchSize, MaxBatchSize)
	case m.Window < 0 || m.Window > MaxWindow:
		return fmt.Errorf("MaximumBatchingWindowInSeconds is %v, must be 0 s to %v", m.Window, MaxWindow)
	case m.ParallelizationFactor < 1 || m.ParallelizationFactor > maxParallel:
		return fmt.Errorf("ParallelizationFactor is %d, must be 1 to %d", m.ParallelizationFactor, maxParallel)
	case m.MaxRetries < -1 || m.MaxRetries > maxRetries:
		return fmt.Errorf("MaximumRetryAttempts is %d, must be -1 to %d", m.MaxRetries, maxRetries)
	case m.MaxRecordAge > 0 && (m.MaxRecordAge < minRecordAge || m.MaxRecordAge > maxRecordAge):
		return fmt.Errorf("MaximumRecordAgeInSeconds is %v, must be -1 or %v to %v", m.MaxRecordAge, minRecordAge, maxRecordAge)
	case m.StartingPosition != trimHorizon && m.StartingPosition != latestPosition:
		return fmt.Errorf("StartingPosition is %q, must be TRIM_HORIZON or LATEST", m.StartingPosition)
	case len(m.Filters) > 0 && m.ofKinesis(): // they would look into the decoded data
		return errors.New("FilterCriteria of a Kinesis stream are not supported here")
	case len(m.Filters) > MaxFilters:
		return fmt.Errorf("FilterCriteria has %d filters, at most %d are allowed", len(m.Filters), MaxFilters)
	case m.TumblingWindow != 0:
		return fmt.Errorf("TumblingWindowInSeconds is not supported here")
	}
	return nil
}
