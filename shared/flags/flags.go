// Package flags is the only place that knows how our programs read their command lines: what is wrong
// is told in one line, and --help lists the flags.
package flags

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Parse reads a command line that has flags only. With --help it prints them and gives
// [flag.ErrHelp], and the caller ends.
func Parse(set *flag.FlagSet, args []string) error {
	set.Init(set.Name(), flag.ContinueOnError)
	set.SetOutput(io.Discard)
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		set.SetOutput(os.Stdout)
		set.Usage()
		return err
	}
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("there is no argument %q, flags begin with --", set.Arg(0))
	}
	if err != nil {
		return fmt.Errorf("%w (--help lists the flags)", err)
	}
	return nil
}
