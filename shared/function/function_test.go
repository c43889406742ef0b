package function_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/shared/function"
)

func TestWithMarginEndsBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		invocation, end := context.WithTimeout(t.Context(), 10*time.Second)
		defer end()
		ctx, cancel := function.WithMargin(invocation, time.Second)
		defer cancel()
		<-ctx.Done()
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("ended after %s, want 9 s", took)
		}
	})
}

func TestWithMarginNeedsNoDeadline(t *testing.T) {
	ctx, cancel := function.WithMargin(context.Background(), time.Second)
	defer cancel()
	if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
		t.Error("a context without a deadline got one")
	}
}
