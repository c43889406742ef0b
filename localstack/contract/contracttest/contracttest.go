// Package contracttest has what a test holds to the contracts counted with what all tests hold to them.
package contracttest

import (
	"testing"

	"github.com/watchroute/watchroute/localstack/contract"
)

// New reads the contracts. What it has held to them by the end of the test is left for the sum of all.
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
