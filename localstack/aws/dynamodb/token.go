package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// tokenLife is how long a finished transaction is remembered by its token.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-apis-txwriteitems-idempotency
const tokenLife = 10 * time.Minute

// fingerprint tells whether two requests are the same, in whatever order their
// maps were written.
type fingerprint [sha256.Size]byte

func (in *transactWriteItemsInput) fingerprint() fingerprint {
	canonical, _ := json.Marshal(in.TransactItems) // it was decoded from JSON, so it encodes
	return sha256.Sum256(canonical)
}

// tokens remembers transactions by their ClientRequestToken; the zero value is
// ready. It costs some 200 bytes for each transaction of the last 10 minutes.
type tokens struct {
	mu    sync.Mutex
	known map[string]*transaction
	order []finished // oldest first, for forgetting
}

// transaction is a transaction under way or finished.
type transaction struct {
	fingerprint fingerprint
	finished    bool
	reads       bill // what a repetition costs
}

type finished struct {
	token string
	at    time.Time
}

// done is what calling a transaction came to.
type done struct {
	repeated     bool
	wrote, reads bill
}

// once runs a transaction unless one with its token has succeeded before. A failed
// one is not remembered, so it may be tried again.
func (t *tokens) once(token string, print fingerprint, now func() time.Time, run func() (wrote, reads bill, err error)) (done, error) {
	known, err := t.begin(token, print, now())
	if err != nil {
		return done{}, err
	}
	if known != nil {
		return done{repeated: true, reads: known.reads}, nil
	}
	succeeded := false
	var d done
	defer func() { t.end(token, succeeded, d.reads, now()) }() // also if run panics, or the token would stay taken
	d.wrote, d.reads, err = run()
	succeeded = err == nil
	return d, err
}

// begin takes a token, or gives the finished transaction that has it.
func (t *tokens) begin(token string, print fingerprint, now time.Time) (*transaction, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	known := t.known[token]
	switch {
	case known == nil:
		if t.known == nil {
			t.known = map[string]*transaction{}
		}
		t.known[token] = &transaction{fingerprint: print}
		return nil, nil
	case known.fingerprint != print:
		return nil, awsjson.Errorf("IdempotentParameterMismatchException",
			"Request with the same client token was made with different parameters")
	case !known.finished:
		return nil, awsjson.Errorf("TransactionInProgressException",
			"Transaction with the given request token is already in progress")
	}
	return known, nil
}

// end remembers a transaction that succeeded and lets go of the token of one that
// failed.
func (t *tokens) end(token string, succeeded bool, reads bill, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !succeeded {
		delete(t.known, token)
		return
	}
	t.known[token].finished, t.known[token].reads = true, reads
	t.order = append(t.order, finished{token, now})
}

// forget drops what finished longer than tokenLife ago.
func (t *tokens) forget(now time.Time) {
	n := 0
	for n < len(t.order) && now.Sub(t.order[n].at) >= tokenLife {
		delete(t.known, t.order[n].token)
		n++
	}
	if t.order = t.order[n:]; len(t.order) == 0 {
		t.order = nil
	}
}
