package sqs

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// message is one message in a queue.
type message struct {
	id         string
	body       string
	attributes map[string]Attribute
	trace      string // AWSTraceHeader
	sent       time.Time
	visible    time.Time // may be received from then on
	first      time.Time // when it was received first
	received   time.Time // when it was received last
	from       string    // ARN of the queue whose redrive policy has moved it here
	receives   int
	number     uint64 // its place in its queue, in order of arrival

	group         string // MessageGroupId; in a standard queue it names a tenant and orders nothing
	deduplication string // MessageDeduplicationId; this and the next field are of FIFO queues only
	sequence      string // SequenceNumber
}

// Attribute is a message attribute: a text or bytes, as DataType says.
type Attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// outgoing is a message to be sent.
type outgoing struct {
	QueueUrl                string
	Id                      string // in a batch
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]Attribute
	MessageSystemAttributes map[string]Attribute
	MessageGroupId          string
	MessageDeduplicationId  string
}

// size is what counts against the limit.
func (o *outgoing) size() int {
	n := len(o.MessageBody)
	for name, a := range o.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

// check gives what SQS would refuse the message for.
func (o *outgoing) check(s settings) error {
	if err := o.checkQueueType(s); err != nil {
		return err
	}
	limit := s.numbers["MaximumMessageSize"]
	switch {
	case o.MessageBody == "":
		return errorf("MissingParameter", "The request must contain the parameter MessageBody.")
	case o.size() > limit:
		return errorf("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	case o.DelaySeconds != nil && (*o.DelaySeconds < 0 || *o.DelaySeconds > 900):
		return errorf("InvalidParameterValue", "Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *o.DelaySeconds)
	case !allowed(o.MessageBody):
		return errInvalidCharacters
	case len(o.MessageAttributes) > 10:
		return errorf("InvalidParameterValue", "Number of message attributes [%d] exceeds the allowed maximum [10].", len(o.MessageAttributes))
	}
	return checkAttributes(o.MessageAttributes)
}

func checkAttributes(attributes map[string]Attribute) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		kind, _, _ := strings.Cut(a.DataType, ".")
		switch {
		case a.StringValue != nil && !allowed(*a.StringValue):
			return errInvalidCharacters
		case (kind == "String" || kind == "Number") && a.StringValue != nil && *a.StringValue != "":
		case kind == "Binary" && len(a.BinaryValue) > 0:
		default:
			return errorf("InvalidParameterValue", "The message attribute '%s' must contain a non-empty value of its type '%s'.", name, a.DataType)
		}
	}
	return nil
}

// errInvalidCharacters answers for a text that [allowed] does not allow. The guide to SQS
// says that such a message is rejected, the reference of SendMessage that U+FFFD takes the
// place of each such character: this is the strict reading. Either way the text is lost.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
var errInvalidCharacters = errorf("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.")

// allowed tells whether a text has only the characters of XML, which SQS demands of bodies
// and of attributes.
func allowed(body string) bool {
	if !utf8.ValidString(body) {
		return false
	}
	return !strings.ContainsFunc(body, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// receipt names one receive of a message; a later receive makes it stale.
type receipt struct {
	id       string
	number   uint64
	receives int
}

func (m *message) receipt() receipt { return receipt{m.id, m.number, m.receives} }

// String is the receipt handle.
func (r receipt) String() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d/%d", r.id, r.number, r.receives))
}

func parseReceipt(handle string) (receipt, error) {
	text, err := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(text), "/")
	if err == nil && len(parts) == 3 {
		number, badNumber := strconv.ParseUint(parts[1], 10, 64)
		receives, badReceives := strconv.Atoi(parts[2])
		if badNumber == nil && badReceives == nil {
			return receipt{parts[0], number, receives}, nil
		}
	}
	return receipt{}, errorf("ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", handle)
}

func md5OfBody(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is the checksum that SDKs compare; "" without attributes.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func md5OfAttributes(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(part []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.DataType))
		if a.StringValue != nil {
			b = append(b, 1)
			add([]byte(*a.StringValue))
		} else {
			b = append(b, 2)
			add(a.BinaryValue)
		}
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
