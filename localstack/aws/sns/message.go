package sns

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/sqs"
)

// attribute is a message attribute.
type attribute struct {
	DataType    string
	StringValue *string
	BinaryValue *string // base64
}

// size is what counts against the limit.
func (m message) size() int {
	n := len(m.Message)
	for name, a := range m.MessageAttributes {
		n += len(name) + len(a.DataType)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
		if a.BinaryValue != nil {
			n += base64.StdEncoding.DecodedLen(len(*a.BinaryValue))
		}
	}
	return n
}

// orderedID matches a MessageGroupId or MessageDeduplicationId: ASCII letters, digits and
// punctuation.
var orderedID = regexp.MustCompile(`^[!-~]{1,128}$`)

// subject matches a Subject: up to 100 ASCII characters without line ends, the first of them no
// space.
//
// Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
var subject = regexp.MustCompile(`^[!-~][ -~]{0,99}$`)

// check gives the text that queues get, or what SNS refuses the message for.
func (m message) check(s settings) (text string, err error) {
	switch {
	case m.Message == "":
		return "", invalid("Empty message")
	case m.Subject != nil && !subject.MatchString(*m.Subject):
		return "", invalid("Subject")
	case s.fifo && m.MessageGroupId == "":
		return "", invalid("The MessageGroupId parameter is required for FIFO topics")
	case s.fifo && m.deduplicationID(s) == "":
		return "", invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case !s.fifo && m.MessageDeduplicationId != "":
		return "", invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case m.MessageGroupId != "" && !orderedID.MatchString(m.MessageGroupId):
		return "", badOrderedID("MessageGroupId")
	case m.MessageDeduplicationId != "" && !orderedID.MatchString(m.MessageDeduplicationId):
		return "", badOrderedID("MessageDeduplicationId")
	}
	if err := checkAttributes(m.MessageAttributes); err != nil {
		return "", err
	}
	return m.text()
}

func badOrderedID(parameter string) error {
	return invalid("%s Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.", parameter, parameter)
}

// text is the message, or with the MessageStructure json what of it is for queues.
func (m message) text() (string, error) {
	switch m.MessageStructure {
	case "":
		return m.Message, nil
	case "json":
	default:
		return "", invalid("MessageStructure Reason: %s is not json", m.MessageStructure)
	}
	var by map[string]any
	if err := json.Unmarshal([]byte(m.Message), &by); err != nil {
		return "", invalid("Message Structure - JSON message body failed to parse")
	}
	text, ok := by["default"].(string)
	if !ok {
		return "", invalid("Message Structure - No default entry in JSON message body")
	}
	if own, ok := by["sqs"].(string); ok {
		return own, nil
	}
	return text, nil
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\..*)?$`)
)

// maxAttributeName bounds the name of a message attribute, in bytes.
const maxAttributeName = 255

// checkAttributes refuses attributes that SNS refuses.
//
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
func checkAttributes(attributes map[string]attribute) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if len(name) > maxAttributeName {
			return badAttribute("Length of message attribute name must be less than 256 bytes.")
		}
		if !attributeName.MatchString(name) {
			return badAttribute("Invalid message attribute name '%s'. Can only include alphanumeric characters, hyphens, underscores, or dots.", name)
		}
		if err := attributes[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func (a attribute) check(name string) error {
	kind := attributeType.FindStringSubmatch(a.DataType)
	if a.DataType == "" {
		return awsjson.Errorf("ValidationError", "1 validation error detected: Value null at 'messageAttributes.%s.member.dataType' failed to satisfy constraint: Member must not be null", name)
	}
	if kind == nil {
		return badAttribute("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	value, other, field := a.StringValue, a.BinaryValue, "String"
	if kind[1] == "Binary" {
		value, other, field = a.BinaryValue, a.StringValue, "Binary"
	}
	switch {
	case value == nil && other != nil:
		return badAttribute("The message attribute '%s' with type '%s' must use field '%s'.", name, kind[1], field)
	case value == nil || *value == "":
		return badAttribute("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, kind[1])
	case kind[1] == "Binary":
		if _, err := base64.StdEncoding.DecodeString(*value); err != nil {
			return badAttribute("The message attribute '%s' is not encoded in base64.", name)
		}
	}
	return nil
}

func badAttribute(format string, args ...any) error {
	return awsjson.Errorf("ParameterValueInvalid", format, args...)
}

// value is the attribute's text, or its bytes in base64.
func (a attribute) value() string {
	if a.StringValue != nil {
		return *a.StringValue
	}
	return *a.BinaryValue // which check demands
}

// queueAttributes gives the attributes of a raw message as the queue takes them. SQS refuses more
// than ten.
func queueAttributes(attributes map[string]attribute) map[string]sqs.Attribute {
	list := map[string]sqs.Attribute{}
	for name, a := range attributes {
		out := sqs.Attribute{DataType: a.DataType, StringValue: a.StringValue}
		if a.StringValue == nil {
			out.BinaryValue, _ = base64.StdEncoding.DecodeString(*a.BinaryValue) // check has decoded it
		}
		list[name] = out
	}
	return list
}

// quote writes a text as JSON.
func quote(text string) string {
	encoded, err := exactjson.Marshal(text)
	if err != nil { // texts always encode
		return `""`
	}
	return string(encoded)
}

// line is a member of an envelope.
func line(name, value string) string { return "  " + quote(name) + " : " + value }

// lines joins members.
func lines(list []string) string { return "{\n" + strings.Join(list, ",\n") + "\n" }
