package sns

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// noSignature takes the place of the signature, which nobody could check: SNS's certificate is at an
// address of AWS.
const noSignature = "bm90IHNpZ25lZA=="

// envelope is what a queue gets of a message, if it does not get it raw: JSON that is laid out as
// SNS lays it out. Messages of FIFO topics have a sequence number and no signature.
//
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html,
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (t *topic) envelope(sub *subscription, m message, text string, p published, now time.Time) string {
	var members []string
	add := func(name, value string) { members = append(members, line(name, quote(value))) }
	add("Type", "Notification")
	add("MessageId", p.id)
	if t.settings.fifo {
		add("SequenceNumber", p.sequence)
	}
	add("TopicArn", t.arn)
	if m.Subject != nil {
		add("Subject", *m.Subject)
	}
	add("Message", text)
	add("Timestamp", now.UTC().Format("2006-01-02T15:04:05.000Z"))
	site := "https://sns." + t.region() + ".amazonaws.com/"
	if !t.settings.fifo {
		add("SignatureVersion", "1")
		add("Signature", noSignature)
		add("SigningCertURL", site+"SimpleNotificationService-00000000000000000000000000000000.pem")
	}
	add("UnsubscribeURL", site+"?Action=Unsubscribe&SubscriptionArn="+sub.arn)
	if len(m.MessageAttributes) > 0 {
		members = append(members, line("MessageAttributes", attributesJSON(m.MessageAttributes)))
	}
	return lines(members) + "}"
}

func attributesJSON(attributes map[string]attribute) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		members = append(members, "  "+line(name, `{"Type":`+quote(a.DataType)+`,"Value":`+quote(a.value())+`}`))
	}
	return lines(members) + "  }"
}

func (t *topic) region() string { return strings.Split(t.arn, ":")[3] }
