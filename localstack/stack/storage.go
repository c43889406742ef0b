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
	body, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return call(d.ctx, d.stack.db.Service(), operation, body, output)
}

// createQueue makes a queue, named like createTable names a table.
func (d *deployment) createQueue(r template.Resource) (template.Physical, error) {
	var p struct {
		QueueName              string
		MessageRetentionPeriod int
		VisibilityTimeout      int
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	attributes := map[string]string{}
	for name, seconds := range map[string]int{"MessageRetentionPeriod": p.MessageRetentionPeriod, "VisibilityTimeout": p.VisibilityTimeout} {
		if seconds > 0 {
			attributes[name] = fmt.Sprint(seconds)
		}
	}
	name := cmp.Or(p.QueueName, r.LogicalID)
	body, err := json.Marshal(map[string]any{"QueueName": name, "Attributes": attributes})
	if err != nil {
		return template.Physical{}, err
	}
	var created struct{ QueueUrl string }
	if err := call(d.ctx, d.stack.queues.Service(), "CreateQueue", body, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: created.QueueUrl, Attributes: map[string]string{
		"Arn":       "arn:aws:sqs:" + Region + ":" + Account + ":" + name,
		"QueueName": name,
		"QueueUrl":  created.QueueUrl,
	}}, nil
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
	body, err := json.Marshal(map[string]string{
		"Name": cmp.Or(p.Name, r.LogicalID), "Description": p.Description, "SecretString": p.SecretString,
	})
	if err != nil {
		return template.Physical{}, err
	}
	var created struct{ ARN string }
	if err := call(d.ctx, d.stack.secrets.Service(), "CreateSecret", body, &created); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: created.ARN, Attributes: map[string]string{"Id": created.ARN}}, nil
}
