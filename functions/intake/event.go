package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/shared/intake"
)

// arrival is a message, and where it is from.
type arrival struct {
	from       string // the ARN of the queue, stream or cluster, or the brokers
	kafkaTopic string
	intake.Message
	location string // names the message in its source, for people
}

// batch is what invokes the function: messages in the order of their source, and how those that
// are to come again are reported.
type batch struct {
	arrivals []arrival
	// report gives the answer that has the arrivals come again that are not done.
	report func(again []arrival) (any, error)
}

// read reads an event of Lambda: of SQS, Kinesis or Kafka.
func read(payload json.RawMessage) (batch, error) {
	var event struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		} `json:"Records"`
		EventSource string                     `json:"eventSource"`
		Kafka       map[string]json.RawMessage `json:"records"`
	}
	if err := exactjson.Unmarshal(payload, &event); err != nil {
		return batch{}, fmt.Errorf("read event: %w", err)
	}
	switch {
	case event.Kafka != nil && slices.Contains([]string{"aws:kafka", "SelfManagedKafka"}, event.EventSource):
		return readKafka(payload)
	case event.Records == nil:
		return batch{}, errors.New("event is not a batch of SQS, Kinesis or Kafka")
	case len(event.Records) > 0 && event.Records[0].EventSource == "aws:kinesis":
		return readKinesis(payload)
	case len(event.Records) > 0 && event.Records[0].EventSource != "aws:sqs":
		return batch{}, fmt.Errorf("event is of %q, not of SQS, Kinesis or Kafka", event.Records[0].EventSource)
	}
	return readQueue(payload)
}

// readQueue reads messages of SQS. Those of a FIFO queue have a location: the sequence number counts
// within the message group.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
func readQueue(payload json.RawMessage) (batch, error) {
	var event awsevents.SQSEvent
	if err := exactjson.Unmarshal(payload, &event); err != nil {
		return batch{}, fmt.Errorf("read messages: %w", err)
	}
	b := batch{report: reportMessages}
	for _, m := range event.Records {
		a := arrival{from: m.EventSourceARN, location: m.MessageId, Message: intake.Message{
			ID: m.MessageId, Key: m.Attributes["MessageGroupId"], Body: []byte(m.Body), Headers: map[string]string{},
		}}
		for name, attribute := range m.MessageAttributes {
			if attribute.StringValue != nil {
				a.Headers[strings.ToLower(name)] = *attribute.StringValue
			}
		}
		if number := m.Attributes["SequenceNumber"]; number != "" {
			a.Location = intake.Located(a.Key, number)
		}
		b.arrivals = append(b.arrivals, a)
	}
	return b, nil
}

// reportMessages names each message that is not done. As a FIFO queue wants it, these are the first
// that failed and all after it of its topic, which have not been tried.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func reportMessages(again []arrival) (any, error) {
	var answer awsevents.SQSEventResponse
	for _, a := range again {
		answer.BatchItemFailures = append(answer.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: a.ID})
	}
	return answer, nil
}

// readKinesis reads records of a shard. A sequence number counts in the whole stream.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
func readKinesis(payload json.RawMessage) (batch, error) {
	var event awsevents.KinesisEvent
	if err := exactjson.Unmarshal(payload, &event); err != nil {
		return batch{}, fmt.Errorf("read records: %w", err)
	}
	b := batch{report: reportRecords}
	for _, r := range event.Records {
		b.arrivals = append(b.arrivals, arrival{from: r.EventSourceArn, location: r.EventID, Message: intake.Message{
			ID: r.Kinesis.SequenceNumber, Key: r.Kinesis.PartitionKey, Body: nonNil(r.Kinesis.Data),
			Location: intake.Located("", r.Kinesis.SequenceNumber),
		}})
	}
	return b, nil
}

// reportRecords names the first record that is not done. Lambda repeats it and all that follow.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
func reportRecords(again []arrival) (any, error) {
	var answer awsevents.KinesisEventResponse
	if len(again) > 0 {
		answer.BatchItemFailures = []awsevents.KinesisBatchItemFailure{{ItemIdentifier: again[0].ID}}
	}
	return answer, nil
}

// readKafka reads records of one or several partitions, in the order of each.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
func readKafka(payload json.RawMessage) (batch, error) {
	var event struct {
		ARN     string                   `json:"eventSourceArn"`
		Brokers string                   `json:"bootstrapServers"`
		Records map[string][]kafkaRecord `json:"records"`
	}
	if err := exactjson.Unmarshal(payload, &event); err != nil {
		return batch{}, fmt.Errorf("read records: %w", err)
	}
	from := event.ARN
	if from == "" {
		from = event.Brokers
	}
	b := batch{report: reportKafka}
	for _, partition := range slices.Sorted(maps.Keys(event.Records)) {
		for _, r := range event.Records[partition] {
			b.arrivals = append(b.arrivals, r.arrival(from))
		}
	}
	return b, nil
}

// kafkaRecord is a record as Lambda writes it. Other than in package events of aws-lambda-go, a value
// that is not there is told from an empty one.
type kafkaRecord struct {
	Topic     string                                 `json:"topic"`
	Partition int64                                  `json:"partition"`
	Offset    int64                                  `json:"offset"`
	Key       []byte                                 `json:"key"`
	Value     *[]byte                                `json:"value"`
	Headers   []map[string]awsevents.JSONNumberBytes `json:"headers"`
}

func (r kafkaRecord) arrival(from string) arrival {
	partition, offset := strconv.FormatInt(r.Partition, 10), strconv.FormatInt(r.Offset, 10)
	a := arrival{from: from, kafkaTopic: r.Topic, location: r.Topic + "-" + partition + ":" + offset, Message: intake.Message{
		ID: partition + ":" + offset, Key: string(r.Key), Headers: map[string]string{}, Location: intake.Located(partition, offset),
	}}
	if r.Value != nil {
		a.Body = nonNil(*r.Value)
	}
	for _, headers := range r.Headers {
		for name, value := range headers {
			a.Headers[strings.ToLower(name)] = string(value)
		}
	}
	return a
}

// reportKafka fails the whole batch if a record is not done. Lambda repeats it, and what is done is
// known by its position. Only mappings in the provisioned mode take reports of single records.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
func reportKafka(again []arrival) (any, error) {
	if len(again) > 0 {
		return nil, fmt.Errorf("%d records are not done, the first is %s", len(again), again[0].location)
	}
	return nil, nil
}

// nonNil gives an empty body for none.
func nonNil(body []byte) []byte { return append([]byte{}, body...) }
