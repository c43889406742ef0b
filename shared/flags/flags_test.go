package flags_test

import (
	"errors"
	"flag"
	"testing"

	"github.com/watchroute/watchroute/shared/flags"
)

func TestWhatIsWrongIsToldInOneLine(t *testing.T) {
	for want, args := range map[string][]string{
		`there is no argument "stray", flags begin with -- (--help lists the flags)`: {"--addr", "x", "stray"},
		`flag provided but not defined: -adr (--help lists the flags)`:               {"--adr", "x"},
		`flag needs an argument: -addr (--help lists the flags)`:                     {"--addr"},
		`invalid value "many" for flag -seed: parse error (--help lists the flags)`:  {"--seed", "many"},
	} {
		set := flag.NewFlagSet("program", flag.ExitOnError)
		set.String("addr", "", "")
		set.Int("seed", 0, "")
		if err := flags.Parse(set, args); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	if err := flags.Parse(flag.NewFlagSet("program", flag.ExitOnError), []string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gives %v", err)
	}
}
