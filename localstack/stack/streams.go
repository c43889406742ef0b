package stack

import (
	"cmp"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/kinesis"
	"github.com/watchroute/watchroute/localstack/aws/template"
)

// createStream makes a stream of Kinesis, named as createTable names a table.
func (d *deployment) createStream(r template.Resource) (template.Physical, error) {
	var p struct {
		Name                 string
		ShardCount           *int `json:",omitempty"`
		RetentionPeriodHours int
		MaxRecordSizeInKiB   int
		StreamModeDetails    *struct{ StreamMode string } `json:",omitempty"`
	}
	if err := r.Decode(&p); err != nil {
		return template.Physical{}, err
	}
	hours, size := int(kinesis.Retention.Hours()), kinesis.MaxRecordBytes>>10
	if cmp.Or(p.RetentionPeriodHours, hours) != hours || cmp.Or(p.MaxRecordSizeInKiB, size) != size {
		return template.Physical{}, fmt.Errorf("only a RetentionPeriodHours of %d and a MaxRecordSizeInKiB of %d run locally", hours, size)
	}
	name := cmp.Or(p.Name, r.LogicalID)
	in := map[string]any{"StreamName": name, "ShardCount": p.ShardCount}
	if p.StreamModeDetails != nil {
		in["StreamModeDetails"] = p.StreamModeDetails
	}
	if err := d.kinesis("CreateStream", in, nil); err != nil {
		return template.Physical{}, err
	}
	return template.Physical{Ref: name, Attributes: map[string]string{"Arn": "arn:aws:kinesis:" + Region + ":" + Account + ":stream/" + name}}, nil
}

// kinesis calls an operation of the stack's own Kinesis.
func (d *deployment) kinesis(operation string, input, output any) error {
	return call(d.ctx, d.stack.kinesis.Service(), operation, input, output)
}
