package dynamodb

import "context"

// deleteTable deletes a table and all items in it at once. Its stream stays
// readable for a day.
func (e *Engine) deleteTable(_ context.Context, in *tableInput) (any, error) {
	t, err := e.tableOf(in.TableName)
	if err != nil {
		return nil, err
	}
	last := e.description(t)
	last.TableStatus = "DELETING"
	// As on AWS, the answer does not say any more what the table was.
	last.CreationDateTime, last.KeySchema, last.AttributeDefinitions = nil, nil, nil
	last.LocalSecondaryIndexes, last.GlobalSecondaryIndexes = nil, nil
	err = t.writing(func() error {
		if t.protected {
			return invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		e.switchOff(t)
		t.gone = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	delete(e.tables, t.name)
	e.mu.Unlock()
	return tableAnswer{last}, nil
}
