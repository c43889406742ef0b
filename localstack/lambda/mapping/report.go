package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/localstack/dynamodb/stream"
)

// firstFailure reads a partial batch response and gives the index of the first
// record that failed, which is where the batch continues; len(records) if none
// did. An error means that the whole batch failed: an identifier that is empty,
// null, not in the batch or under another key, or something that is no response.
// Names are matched exactly, as Lambda does.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
func firstFailure(output []byte, records []stream.Record) (int, error) {
	switch string(bytes.TrimSpace(output)) {
	case "", "null", `""`, "[]", "{}":
		return len(records), nil
	}
	var response map[string]json.RawMessage
	if err := json.Unmarshal(output, &response); err != nil {
		return 0, fmt.Errorf("the answer is no JSON object: %w", err)
	}
	var failures []map[string]json.RawMessage
	if list, ok := response["batchItemFailures"]; ok {
		if err := json.Unmarshal(list, &failures); err != nil {
			return 0, fmt.Errorf("batchItemFailures is no list of objects: %w", err)
		}
	}
	return lowest(failures, records)
}

// lowest gives the index of the first record that is among the failures.
func lowest(failures []map[string]json.RawMessage, records []stream.Record) (int, error) {
	index := make(map[string]int, len(records))
	for i, r := range records {
		index[r.SequenceNumber] = i
	}
	first := len(records)
	for _, f := range failures {
		id, err := identifier(f)
		if err != nil {
			return 0, err
		}
		i, ok := index[id]
		if !ok {
			return 0, fmt.Errorf("itemIdentifier %q is not in the batch", id)
		}
		first = min(first, i)
	}
	return first, nil
}

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
