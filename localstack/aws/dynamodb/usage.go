package dynamodb

import (
	"maps"
	"sync"
)

// Usage is what requests have consumed since the engine was made or its usage
// was last reset, by table name and operation, such as "TransactWriteItems". A
// request on several tables counts once for each. What nobody pays for, table
// operations and deletions by time to live, is not in it.
type Usage struct {
	Tables map[string]map[string]Consumption `json:"tables"`
}

// Consumption is what one operation consumed on one table.
type Consumption struct {
	Requests           int64   `json:"requests"`
	ReadCapacityUnits  float64 `json:"readCapacityUnits"`
	WriteCapacityUnits float64 `json:"writeCapacityUnits"`
	// RowsRead counts the rows that Query and Scan looked at, in a table or an
	// index, whether they were returned or not.
	RowsRead int64 `json:"rowsRead"`
}

// Usage gives the consumption so far.
func (e *Engine) Usage() Usage { return e.usage.snapshot() }

// ResetUsage starts counting from zero.
func (e *Engine) ResetUsage() { e.usage.reset() }

// usage counts; its zero value is ready.
type usage struct {
	mu     sync.Mutex
	tables map[string]map[string]Consumption
}

func (u *usage) add(table, operation string, c Consumption) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tables == nil {
		u.tables = map[string]map[string]Consumption{}
	}
	if u.tables[table] == nil {
		u.tables[table] = map[string]Consumption{}
	}
	sum := u.tables[table][operation]
	sum.Requests += c.Requests
	sum.ReadCapacityUnits += c.ReadCapacityUnits
	sum.WriteCapacityUnits += c.WriteCapacityUnits
	sum.RowsRead += c.RowsRead
	u.tables[table][operation] = sum
}

func (u *usage) read(t *table, operation string, c capacity) {
	u.add(t.name, operation, Consumption{Requests: 1, ReadCapacityUnits: c.total()})
}

func (u *usage) wrote(t *table, operation string, c capacity) {
	u.add(t.name, operation, Consumption{Requests: 1, WriteCapacityUnits: c.total()})
}

func (u *usage) snapshot() Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := Usage{Tables: make(map[string]map[string]Consumption, len(u.tables))}
	for table, operations := range u.tables {
		out.Tables[table] = maps.Clone(operations)
	}
	return out
}

func (u *usage) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tables = nil
}
