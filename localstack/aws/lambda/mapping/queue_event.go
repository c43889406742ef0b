package mapping

import (
	"encoding/json"

	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// queueRecord is a message as a function gets it.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
type queueRecord struct {
	MessageID              string                    `json:"messageId"`
	ReceiptHandle          string                    `json:"receiptHandle"`
	Body                   string                    `json:"body"`
	Attributes             map[string]string         `json:"attributes"`
	MessageAttributes      map[string]queueAttribute `json:"messageAttributes"`
	MD5OfMessageAttributes string                    `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                    `json:"md5OfBody"`
	EventSource            string                    `json:"eventSource"`
	EventSourceARN         string                    `json:"eventSourceARN"`
	Region                 string                    `json:"awsRegion"`
}

// queueAttribute is a message attribute. The lists are always empty: SQS has no such type.
type queueAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// record is a message as JSON.
func (p *QueuePoller) record(m sqs.Received) []byte {
	r := queueRecord{
		MessageID: m.MessageId, ReceiptHandle: m.ReceiptHandle, Body: m.Body, Attributes: m.Attributes,
		MessageAttributes: map[string]queueAttribute{}, MD5OfMessageAttributes: m.MD5OfMessageAttributes, MD5OfBody: m.MD5OfBody,
		EventSource: "aws:sqs", EventSourceARN: p.m.QueueARN, Region: p.region,
	}
	for name, a := range m.MessageAttributes {
		r.MessageAttributes[name] = queueAttribute{
			StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: a.DataType,
			StringListValues: []string{}, BinaryListValues: []string{},
		}
	}
	encoded, err := json.Marshal(r)
	if err != nil { // texts and bytes always encode
		return []byte("{}")
	}
	return encoded
}

// event makes the event that the function gets: of as many messages, from the first, as fit.
// That is at least one, as MaxEvent is several times the size of a message.
func (p *QueuePoller) event(batch []sqs.Received) (event []byte, n int) {
	event = []byte(eventStart)
	for ; n < len(batch); n++ {
		record := p.record(batch[n])
		if n > 0 && len(event)+1+len(record)+len(eventEnd) > MaxEvent {
			break
		}
		if n > 0 {
			event = append(event, ',')
		}
		event = append(event, record...)
	}
	return append(event, eventEnd...), n
}
