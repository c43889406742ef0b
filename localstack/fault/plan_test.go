package fault_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/localstack/fault"
)

func TestParse(t *testing.T) {
	allButKill := fault.All()
	allButKill[fault.Kill] = 0
	for text, want := range map[string]fault.Plan{
		"":                            {},
		" ":                           {},
		"kill=0.01,post-429=0.05":     {fault.Kill: 0.01, fault.Post429: 0.05},
		" kill = 1 , delay=1e-3 ":     {fault.Kill: 1, fault.Delay: 0.001},
		"kill":                        {fault.Kill: fault.All()[fault.Kill]},
		"kill=0.5,kill=0":             {fault.Kill: 0},
		"all":                         fault.All(),
		"all,kill=0":                  allButKill,
		"kill=0.7,all":                fault.All(), // the last word counts
		"pause-dynamodb=0,lose-frame": {fault.Pause: 0, fault.LoseFrame: fault.All()[fault.LoseFrame]},
	} {
		got, err := fault.Parse(text)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"explode=0.1":  `unknown fault "explode"`,
		"all=0.1":      `unknown fault "all"`,
		"kill=0.1,":    `unknown fault ""`,
		"Kill":         `unknown fault "Kill"`,
		"kill=":        `rate "" of fault kill`,
		"kill=often":   `rate "often" of fault kill`,
		"kill=1.01":    `rate "1.01" of fault kill`,
		"kill=-0.1":    `rate "-0.1" of fault kill`,
		"kill=NaN":     `rate "NaN" of fault kill`,
		"all,kill=1=1": `rate "1=1" of fault kill`,
	} {
		got, err := fault.Parse(text)
		if err == nil {
			t.Errorf("%q was taken as %v", text, got)
			continue
		}
		if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want one line that begins with %s", text, err, want)
		}
		for kind := range fault.All() {
			if !strings.Contains(err.Error(), string(kind)) {
				t.Errorf("%q: the error does not list %s", text, kind)
			}
		}
	}
}

func TestPlanIsWrittenAsItIsRead(t *testing.T) {
	for _, text := range []string{"", "kill=0.01", "kill=1,post-429=0.05,forget=0.0001"} {
		p, err := fault.Parse(text)
		if err != nil || p.String() != text {
			t.Errorf("%q was written as %q, %v", text, p, err)
		}
	}
	again, err := fault.Parse(fault.All().String())
	if err != nil || !maps.Equal(again, fault.All()) {
		t.Errorf("all was read back as %v, %v", again, err)
	}
}

// TestDefaultRates: "all" must leave most of the work undisturbed.
func TestDefaultRates(t *testing.T) {
	if n := len(fault.All()); n != 31 {
		t.Errorf("%d kinds", n)
	}
	for kind, rate := range fault.All() {
		if rate <= 0 || rate > 0.2 {
			t.Errorf("%s has the default rate %v", kind, rate)
		}
	}
}
