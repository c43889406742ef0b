package function_test

import (
	"testing"
	"time"

	"github.com/watchroute/watchroute/shared/function"
)

func TestSettingsReportEverythingAtOnce(t *testing.T) {
	env := map[string]string{"TABLE": "Events", "GOOD": "48h", "SHORT": "1h", "BAD": "two days"}
	r := function.SettingsFrom(func(name string) string { return env[name] })
	if got := r.Text("TABLE"); got != "Events" {
		t.Errorf("TABLE = %q", got)
	}
	if got := r.Duration("GOOD", 25*time.Hour); got != 48*time.Hour {
		t.Errorf("GOOD = %s", got)
	}
	if err := r.Err(); err != nil {
		t.Errorf("before any fault: %v", err)
	}
	r.Text("MISSING")
	r.Duration("SHORT", 25*time.Hour)
	r.Duration("BAD", 0)
	r.Duration("ABSENT", 0)
	const want = "MISSING is not set\n" +
		"SHORT is 1h0m0s, must be at least 25h0m0s\n" +
		"BAD is \"two days\", which is not a duration such as 48h\n" +
		"ABSENT is not set"
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err() = %v\nwant %s", err, want)
	}
}
