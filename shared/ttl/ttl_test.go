package ttl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/ttl"
)

// TestExpired goes through what may stand in the attribute. Fractions and exponents count, as
// Alternator's tests have found on AWS.
func TestExpired(t *testing.T) {
	now := time.Date(2026, 11, 26, 3, 0, 0, 900_000_000, time.UTC)
	years := now.AddDate(-5, 0, 0).Unix()
	for number, want := range map[string]bool{
		"":                                       false,
		"never":                                  false,
		"1795661000.x":                           false,
		"0":                                      false,
		"1":                                      false,
		"-1":                                     false,
		fmt.Sprint(now.Unix()):                   true, // its second has begun
		fmt.Sprint(now.Unix() - 1):               true,
		fmt.Sprint(now.Unix()-1) + ".999":        true,
		fmt.Sprint(now.Unix()) + ".5":            true,
		fmt.Sprint(now.Unix() + 1):               false,
		fmt.Sprint(now.UnixMilli()):              false,
		fmt.Sprint(years):                        true,
		fmt.Sprint(years - 1):                    false,
		"1.795e9":                                true,
		"1795E+6":                                true,
		"1e125":                                  false,
		"-1e125":                                 false,
		"1e-130":                                 false,
		"99999999999999999999999999999999999999": false,
		"-99999999999999999999999999999999999999": false,
	} {
		if got := ttl.Expired(number, now); got != want {
			t.Errorf("%q at %d: %t, want %t", number, now.Unix(), got, want)
		}
	}
}
