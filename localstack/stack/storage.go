package stack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchroute/watchroute/localstack/secrets"
	"github.com/watchroute/watchroute/localstack/template"
)

// tableProperties are those of AWS::DynamoDB::Table, which are nearly the
// parameters of CreateTable.
type tableProperties struct {
	TableName              string          `json:",omitempty"`
	AttributeDefinitions   json.RawMessage `json:",omitempty"`
	KeySchema              json.RawMessage `json:",omitempty"`
	BillingMode            string          `json:",omitempty"`
	ProvisionedThroughput  json.RawMessage `json:",omitempty"`
	LocalSecondaryIndexes  json.RawMessage `json:",omitempty"`
	GlobalSecondaryIndexes json.RawMessage `json:",omitempty"`
	StreamSpecification    *struct {
		StreamEnabled  bool
		StreamViewType string
	} `json:",omitempty"`
	TimeToLiveSpecification *struct {
		AttributeName string
		Enabled       bool
	} `json:"TimeToLiveSpecification,omitempty"`
}

// createTable names the table by its logical id, unless the template names it:
// CloudFormation would add random letters.
func (d *deployment) createTable(r template.Resource) (template.Physical, error) {
	var p tableProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	p.TableName = cmp.Or(p.TableName, r.LogicalID)
	if p.StreamSpecification != nil {
		p.StreamSpecification.StreamEnabled = true
	}
	ttl := p.TimeToLiveSpecification
	p.TimeToLiveSpecification = nil
	if err := d.dynamodb("CreateTable", p, nil); err != nil {
		return template.Physical{}, err
	}
	if ttl != nil {
		if err := d.dynamodb("UpdateTimeToLive", map[string]any{"TableName": p.TableName, "TimeToLiveSpecification": ttl}, nil); err != nil {
			return template.Physical{}, err
		}
	}
	var described struct {
		Table struct{ TableArn, LatestStreamArn string }
	}
	if err := d.dynamodb("DescribeTable", map[string]any{"TableName": p.TableName}, &described); err != nil {
		return template.Physical{}, err
	}
	d.stack.Tables = append(d.stack.Tables, p.TableName)
	return template.Physical{Ref: p.TableName, Attributes: map[string]string{
		"Arn": described.Table.TableArn, "StreamArn": described.Table.LatestStreamArn,
	}}, nil
}

// dynamodb calls an operation of the stack's own DynamoDB.
func (d *deployment) dynamodb(operation string, input, output any) error {
	return call(d.ctx, d.stack.db.Service(), operation, input, output)
}

// queueProperties are those of AWS::SQS::Queue, which are attributes of CreateQueue.
type queueProperties struct {
	QueueName              string
	MessageRetentionPeriod int
	VisibilityTimeout      int
	MaximumMessageSize     int
	SqsManagedSseEnabled   *bool
	RedrivePolicy          json.RawMessage // an object here, a text as an attribute

	FifoQueue                 bool
	ContentBasedDeduplication *bool
	DeduplicationScope        string
	FifoThroughputLimit       string
}

func (p queueProperties) attributes() map[string]string {
	attributes := map[string]string{}
	for name, number := range map[string]int{
		"MessageRetentionPeriod": p.MessageRetentionPeriod, "VisibilityTimeout": p.VisibilityTimeout, "MaximumMessageSize": p.MaximumMessageSize,
	} {
		if number > 0 {
			attributes[name] = fmt.Sprint(number)
		}
	}
	for name, flag := range map[string]*bool{
		"SqsManagedSseEnabled": p.SqsManagedSseEnabled, "ContentBasedDeduplication": p.ContentBasedDeduplication,
	} {
		if flag != nil {
			attributes[name] = fmt.Sprint(*flag)
		}
	}
	for name, text := range map[string]string{
		"RedrivePolicy": string(p.RedrivePolicy), "DeduplicationScope": p.DeduplicationScope, "FifoThroughputLimit": p.FifoThroughputLimit,
	} {
		if text != "" {
			attributes[name] = text
		}
	}
	if p.FifoQueue { // false is no attribute of SQS
		attributes["FifoQueue"] = "true"
	}
	return attributes
}

// createQueue makes a queue, named like createTable names a table. The name of a FIFO queue
// that the template does not name gets the suffix that SQS demands, as from CloudFormation.
func (d *deployment) createQueue(r template.Resource) (template.Physical, error) {
	var p queueProperties
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	name := cmp.Or(p.QueueName, r.LogicalID)
	if p.FifoQueue && p.QueueName == "" {
		name += ".fifo"
	}
	var created struct{ QueueUrl string }
	if err := d.sqs("CreateQueue", map[string]any{"QueueName": name, "Attributes": p.attributes()}, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: created.QueueUrl, Attributes: map[string]string{
		"Arn":       "arn:aws:sqs:" + Region + ":" + Account + ":" + name,
		"QueueName": name,
		"QueueUrl":  created.QueueUrl,
	}}, nil
}

// createQueuePolicy gives queues a policy. They keep and show it, and let everybody in all
// the same: the one port of the stack speaks no TLS.
func (d *deployment) createQueuePolicy(r template.Resource) (template.Physical, error) {
	var p struct {
		Queues         []string
		PolicyDocument json.RawMessage
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	for _, url := range p.Queues {
		policy := map[string]string{"Policy": string(p.PolicyDocument)}
		if err := d.sqs("SetQueueAttributes", map[string]any{"QueueUrl": url, "Attributes": policy}, nil); err != nil {
			return template.Physical{}, err
		}
	}
	return template.Physical{Ref: r.LogicalID, Attributes: map[string]string{"Id": r.LogicalID}}, nil
}

// sqs calls an operation of the stack's own SQS.
func (d *deployment) sqs(operation string, input, output any) error {
	return call(d.ctx, d.stack.queues.Service(), operation, input, output)
}

// createSecret makes a secret, named like createTable names a table, with a value that
// the template gives or wants to be random: another each time that the stack starts.
func (d *deployment) createSecret(r template.Resource) (template.Physical, error) {
	var p struct {
		Name                 string
		Description          string
		SecretString         string
		GenerateSecretString *secrets.Generator
	}
	err := r.Decode(&p)
	if err != nil {
		return template.Physical{}, err
	}
	if p.SecretString != "" && p.GenerateSecretString != nil {
		return template.Physical{}, errors.New("a secret has a SecretString or a GenerateSecretString, not both")
	}
	if p.GenerateSecretString != nil {
		if p.SecretString, err = p.GenerateSecretString.Generate(); err != nil {
			return template.Physical{}, err
		}
	}
	var created struct{ ARN string }
	input := map[string]string{"Name": cmp.Or(p.Name, r.LogicalID), "Description": p.Description, "SecretString": p.SecretString}
	if err := call(d.ctx, d.stack.secrets.Service(), "CreateSecret", input, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: created.ARN, Attributes: map[string]string{"Id": created.ARN}}, nil
}
