package dynamodb

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

type continuousBackupsInput struct {
	TableName                        *string
	PointInTimeRecoverySpecification *struct {
		PointInTimeRecoveryEnabled bool
	}
}

type continuousBackupsDescription struct {
	ContinuousBackupsStatus        string
	PointInTimeRecoveryDescription struct {
		PointInTimeRecoveryStatus  string
		EarliestRestorableDateTime *seconds `json:",omitempty"`
		LatestRestorableDateTime   *seconds `json:",omitempty"`
	}
}

// updateContinuousBackups switches point-in-time recovery on or off, as far as it
// shows: the engine keeps no backups.
func (e *Engine) updateContinuousBackups(_ context.Context, in *continuousBackupsInput) (any, error) {
	if err := checkTable(in.TableName); err != nil {
		return nil, err
	}
	if in.PointInTimeRecoverySpecification == nil {
		return nil, missing("pointInTimeRecoverySpecification")
	}
	t, err := e.backedUp(in.TableName)
	if err != nil {
		return nil, err
	}
	err = t.writing(func() error {
		t.recover(in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled, e.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e.continuousBackups(t), nil
}

func (e *Engine) describeContinuousBackups(_ context.Context, in *continuousBackupsInput) (any, error) {
	t, err := e.backedUp(in.TableName)
	if err != nil {
		return nil, err
	}
	return e.continuousBackups(t), nil
}

// recover notes since when point-in-time recovery is on.
func (t *table) recover(on bool, now time.Time) {
	switch {
	case !on:
		t.recovery = nil
	case t.recovery == nil:
		t.recovery = &now
	}
}

// backedUp finds a table; unlike other operations, backups have an exception of
// their own for an unknown one.
func (e *Engine) backedUp(name *string) (*table, error) {
	t, err := e.tableOf(name)
	if e, ok := err.(*awsjson.Error); ok && e.Type == errTableNotFound.Type {
		return nil, awsjson.Errorf("TableNotFoundException", "Table not found: %s", bareName(*name))
	}
	return t, err
}

func (e *Engine) continuousBackups(t *table) any {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := continuousBackupsDescription{ContinuousBackupsStatus: "ENABLED"}
	d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus = "DISABLED"
	if t.recovery != nil {
		from, to := seconds(*t.recovery), seconds(e.now())
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus = "ENABLED"
		d.PointInTimeRecoveryDescription.EarliestRestorableDateTime = &from
		d.PointInTimeRecoveryDescription.LatestRestorableDateTime = &to
	}
	return struct{ ContinuousBackupsDescription continuousBackupsDescription }{d}
}

// describeLimits gives the default quotas of an account; none of them is enforced.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
func (e *Engine) describeLimits(context.Context, *struct{}) (any, error) {
	return struct {
		AccountMaxReadCapacityUnits, AccountMaxWriteCapacityUnits int
		TableMaxReadCapacityUnits, TableMaxWriteCapacityUnits     int
	}{80000, 80000, 40000, 40000}, nil
}
