package stack

import (
	"cmp"
	"encoding/json"
	"errors"

	"github.com/watchroute/watchroute/localstack/aws/secrets"
	"github.com/watchroute/watchroute/localstack/aws/template"
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

// createQueue makes a queue, named as createTable names a table. If the template gives a FIFO queue
// no name, the name gets the required suffix, as from CloudFormation. Each property but the name is
// an attribute of CreateQueue, which refuses unknown ones.
func (d *deployment) createQueue(r template.Resource) (template.Physical, error) {
	attributes := map[string]queueAttribute{}
	if err := r.Decode(&attributes); err != nil {
		return template.Physical{}, err
	}
	name := cmp.Or(string(attributes["QueueName"]), r.LogicalID)
	if attributes["FifoQueue"] == "true" && attributes["QueueName"] == "" {
		name += ".fifo"
	}
	if attributes["FifoQueue"] == "false" { // SQS has no such value
		delete(attributes, "FifoQueue")
	}
	delete(attributes, "QueueName")
	delete(attributes, "Tags")
	var created struct{ QueueUrl string }
	if err := d.sqs("CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes}, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: created.QueueUrl, Attributes: map[string]string{
		"Arn":       "arn:aws:sqs:" + Region + ":" + Account + ":" + name,
		"QueueName": name,
		"QueueUrl":  created.QueueUrl,
	}}, nil
}

// queueAttribute is a property of AWS::SQS::Queue in the form that CreateQueue takes: a text, even
// if the template has a number, a boolean or an object.
type queueAttribute string

func (a *queueAttribute) UnmarshalJSON(value []byte) error {
	if value[0] == '"' {
		return json.Unmarshal(value, (*string)(a))
	}
	*a = queueAttribute(value)
	return nil
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
