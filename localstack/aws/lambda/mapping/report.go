package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/watchroute/watchroute/localstack/aws/feed"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// reported reads a partial batch response and gives the identifiers of what failed, none if
// nothing did. An error means that the whole batch failed: an identifier that is empty,
// null or under another key, or something that is no response. Names are matched exactly,
// as Lambda does.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
func reported(output []byte) ([]string, error) {
	switch string(bytes.TrimSpace(output)) {
	case "", "null", `""`, "[]", "{}":
		return nil, nil
	}
	var response map[string]json.RawMessage
	if err := json.Unmarshal(output, &response); err != nil {
		return nil, fmt.Errorf("the answer is no JSON object: %w", err)
	}
	var failures []map[string]json.RawMessage
	if list, ok := response["batchItemFailures"]; ok {
		if err := json.Unmarshal(list, &failures); err != nil {
			return nil, fmt.Errorf("batchItemFailures is no list of objects: %w", err)
		}
	}
	var ids []string
	for _, f := range failures {
		id, err := identifier(f)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// firstFailure gives the index of the first record that a function reported, which is where
// the batch continues; len(records) if it reported none. An identifier that is not in the
// batch is an error, too.
func firstFailure(output []byte, records []feed.Record) (int, error) {
	ids, err := reported(output)
	if err != nil {
		return 0, err
	}
	index := make(map[string]int, len(records))
	for i, r := range records {
		index[r.SequenceNumber] = i
	}
	first := len(records)
	for _, id := range ids {
		i, ok := index[id]
		if !ok {
			return 0, notInBatch(id)
		}
		first = min(first, i)
	}
	return first, nil
}

// failedMessages gives the ids of the messages that a function reported. An identifier that
// is not in the batch is an error, too.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func failedMessages(output []byte, batch []sqs.Received) (map[string]bool, error) {
	ids, err := reported(output)
	if err != nil {
		return nil, err
	}
	failed := map[string]bool{}
	for _, id := range ids {
		if !slices.ContainsFunc(batch, func(m sqs.Received) bool { return m.MessageId == id }) {
			return nil, notInBatch(id)
		}
		failed[id] = true
	}
	return failed, nil
}

func notInBatch(id string) error { return fmt.Errorf("itemIdentifier %q is not in the batch", id) }

func identifier(failure map[string]json.RawMessage) (string, error) {
	raw, ok := failure["itemIdentifier"]
	if !ok {
		return "", errors.New("an entry has no itemIdentifier")
	}
	var id string
	if err := json.Unmarshal(raw, &id); err != nil {
		return "", fmt.Errorf("itemIdentifier is no string: %w", err)
	}
	if id == "" {
		return "", errors.New("an itemIdentifier is empty or null")
	}
	return id, nil
}
