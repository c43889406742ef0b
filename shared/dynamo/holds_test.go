package dynamo_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

func TestHoldsOfASubjectAreBounded(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	now := time.Now()
	s.Now = func() time.Time { return now }
	limits := watch.HoldLimits{Subject: 3, Total: 80}
	alice := watch.Key{Subject: "alice"}
	var held []watch.Hold
	for range 3 {
		hold, err := s.Hold(t.Context(), alice, now.Add(time.Minute), limits)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, hold)
	}
	refused := func(when string) {
		t.Helper()
		if _, err := s.Hold(t.Context(), alice, now.Add(time.Minute), limits); !errors.Is(err, watch.ErrTooManyHolds) {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("a fourth")
	for _, other := range []watch.Key{{Subject: "ben"}, {Subject: watch.Anonymous, ID: "address 203.0.113.7"}} {
		if _, err := s.Hold(t.Context(), other, now.Add(time.Minute), limits); err != nil {
			t.Errorf("%v: %v", other, err)
		}
	}
	for range 2 {
		if err := s.Release(t.Context(), held[1]); err != nil {
			t.Fatal(err)
		}
	}
	again, err := s.Hold(t.Context(), alice, now.Add(time.Hour), limits)
	if err != nil {
		t.Fatalf("after a release: %v", err)
	}
	refused("a fourth after a release")
	now = now.Add(2 * time.Minute) // a killed function releases nothing
	for range 2 {
		if _, err := s.Hold(t.Context(), alice, now.Add(time.Minute), limits); err != nil {
			t.Errorf("once two are over: %v", err)
		}
	}
	refused("a fourth once two are over")
	if err := s.Release(t.Context(), held[0]); err != nil { // over, and somebody else's by now
		t.Fatal(err)
	}
	refused("a fourth after one was released that was over")
	if err := s.Release(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), alice, now.Add(time.Minute), limits); err != nil {
		t.Error(err)
	}
}

// TestHoldsInAllAreBounded: there is room left for what is answered at once, however many ask at
// the same time.
func TestHoldsInAllAreBounded(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	for _, total := range []int{1, 8, 80} {
		var held atomic.Int32
		var all []watch.Hold
		var mu sync.Mutex
		var askers sync.WaitGroup
		for n := range 30 {
			askers.Go(func() {
				for range 5 {
					hold, err := s.Hold(t.Context(), watch.Key{Subject: fmt.Sprint(total, "/", n)}, time.Now().Add(time.Minute), watch.HoldLimits{Subject: 6, Total: total})
					switch {
					case err == nil:
						held.Add(1)
						mu.Lock()
						all = append(all, hold)
						mu.Unlock()
					case !errors.Is(err, watch.ErrTooManyHolds):
						t.Error(err)
					}
				}
			})
		}
		askers.Wait()
		if n := int(held.Load()); n > total || n < total*3/4 {
			t.Errorf("%d of %d are held", n, total)
		}
		for _, hold := range all {
			if err := s.Release(t.Context(), hold); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCostOfAHold: one write to take it and one to end it.
func TestCostOfAHold(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	hold := func() {
		held, err := s.Hold(t.Context(), watch.Key{Subject: "alice"}, time.Now().Add(time.Minute), watch.HoldLimits{Subject: 6, Total: 80})
		if err == nil {
			err = s.Release(t.Context(), held)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	hold() // makes the row
	reads, writes := d.Units()
	hold()
	readsNow, writesNow := d.Units()
	if readsNow != reads || writesNow-writes != 2 {
		t.Errorf("a hold costs %v read and %v write units, want 0 and 2", readsNow-reads, writesNow-writes)
	}
}

// TestHoldsThatAreOverAreReplacedOnce, however many ask for their names at the same time.
func TestHoldsThatAreOverAreReplacedOnce(t *testing.T) {
	d := dynamotest.Start(t)
	limits := watch.HoldLimits{Subject: 6, Total: 40}
	for round := range 5 {
		s := d.Store()
		now := time.Now().Add(time.Duration(round) * time.Hour)
		s.Now = func() time.Time { return now }
		key := watch.Key{Subject: "alice"}
		for range limits.Subject {
			if _, err := s.Hold(t.Context(), key, now.Add(-time.Minute), limits); err != nil {
				t.Fatal(err)
			}
		}
		var held atomic.Int32
		var askers sync.WaitGroup
		for range 60 {
			askers.Go(func() {
				if _, err := s.Hold(t.Context(), key, now.Add(time.Minute), limits); err == nil {
					held.Add(1)
				} else if !errors.Is(err, watch.ErrTooManyHolds) {
					t.Error(err)
				}
			})
		}
		askers.Wait()
		if n := int(held.Load()); n > limits.Subject {
			t.Errorf("round %d: %d are held, %d may be", round, n, limits.Subject)
		}
	}
}

// TestHoldWhoseAnswerIsLostIsHeldOnce: the SDK repeats the call, and the subject loses no name.
func TestHoldWhoseAnswerIsLostIsHeldOnce(t *testing.T) {
	d := dynamotest.Start(t)
	alice, limits := watch.Key{Subject: "alice"}, watch.HoldLimits{Subject: 2, Total: 80}
	first, err := d.Store().Hold(t.Context(), alice, time.Now().Add(time.Minute), limits) // makes the row
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Store().Release(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		var held []watch.Hold
		for range limits.Subject {
			lossy, lost := losing(t, d, "UpdateItem")
			hold, err := lossy.Hold(t.Context(), alice, time.Now().Add(time.Minute), limits)
			if err != nil || !lost.Load() {
				t.Fatalf("round %d, after %d holds: %v", round, len(held), err)
			}
			held = append(held, hold)
		}
		if _, err := d.Store().Hold(t.Context(), alice, time.Now().Add(time.Minute), limits); !errors.Is(err, watch.ErrTooManyHolds) {
			t.Errorf("one more than may be is held: %v", err)
		}
		for _, hold := range held {
			if err := d.Store().Release(t.Context(), hold); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// losing stands before a database, and loses the first answer to an operation that was carried out.
func losing(t *testing.T, d *dynamotest.Database, operation string) (store *dynamo.Store, lost *atomic.Bool) {
	t.Helper()
	behind, err := url.Parse(*d.Config.BaseEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	lost = &atomic.Bool{}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) },
		ModifyResponse: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), operation) && lost.CompareAndSwap(false, true) {
				panic(http.ErrAbortHandler) // cuts the connection
			}
			return nil
		},
	})
	t.Cleanup(server.Close)
	cfg := d.Config.Copy()
	cfg.BaseEndpoint = &server.URL
	return dynamo.Open(cfg, dynamotest.Tables), lost
}

// TestReleaseLeavesWhatAnotherHolds: an ended hold does not free a name that another hold has
// taken, even if both end in the same second.
func TestReleaseLeavesWhatAnotherHolds(t *testing.T) {
	s := dynamotest.Start(t).Store()
	now := time.Now()
	s.Now = func() time.Time { return now }
	alice, limits, until := watch.Key{Subject: "alice"}, watch.HoldLimits{Subject: 1, Total: 80}, now.Add(time.Minute)
	first, err := s.Hold(t.Context(), alice, until, limits)
	if err == nil {
		err = s.Release(t.Context(), first)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Hold(t.Context(), alice, until, limits); err == nil {
		err = s.Release(t.Context(), first) // once more
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), alice, until, limits); !errors.Is(err, watch.ErrTooManyHolds) {
		t.Errorf("the name of another is free: %v", err)
	}
}
