// Package contracttest counts what a test holds to the contracts, for the sum that make test prints.
package contracttest

import (
	"testing"

	"github.com/watchroute/watchroute/localstack/contract"
)

// New reads the contracts. At the end of the test its counts are left for the sum.
func New(t testing.TB) *contract.Checker {
	t.Helper()
	c, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kept().Leave(); err != nil {
			t.Error(err)
		}
	})
	return c
}
