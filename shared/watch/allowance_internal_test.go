package watch

import (
	"errors"
	"fmt"
	"testing"
)

// TestSpendersAreForgotten: a process keeps a bounded number of them in mind, whoever comes.
func TestSpendersAreForgotten(t *testing.T) {
	a := NewAllowance(nil, 12*1_000)
	for n := range 3*spendersKept + 10 {
		if a.owe(Key{Subject: fmt.Sprint(n)}, 1); len(a.owed)+len(a.empty) > spendersKept+1 {
			t.Fatalf("%d spenders are kept in mind after %d", len(a.owed)+len(a.empty), n)
		}
	}
	if len(a.owed) == 0 {
		t.Errorf("nobody is kept in mind")
	}
}

// TestTheDeployerHasNoBound: what is declared with the service is not held back by what it costs.
func TestTheDeployerHasNoBound(t *testing.T) {
	a := NewAllowance(nil, 1) // without a purse to draw from
	for range 3 {
		if err := errors.Join(a.charge(t.Context(), Key{Subject: Deployer, ID: "destination:dst_1"}, 1e6), a.check(Key{Subject: Deployer})); err != nil {
			t.Fatal(err)
		}
	}
}
