package main

import (
	"fmt"
	"io"
	"strings"
)

// report prints a line for each check and remembers what failed.
type report struct {
	out      io.Writer
	emulator string
	checked  int
	differs  int
	failed   []string
}

// holds reports a check of what the emulator does as AWS does.
func (r *report) holds(what string, err error) { r.line("ok", what, err) }

// deviates reports a check of what the emulator is known to do otherwise than
// AWS. It fails if our side is not what it should be, or if the emulator has
// stopped to deviate.
func (r *report) deviates(what string, err error) {
	r.differs++
	r.line("differs", what, err)
}

func (r *report) line(verdict, what string, err error) {
	r.checked++
	if err != nil {
		r.failed = append(r.failed, what)
		what += "\n         " + strings.ReplaceAll(err.Error(), "\n", "\n         ")
		verdict = "FAILED"
	}
	fmt.Fprintf(r.out, "%-8s %s\n", verdict, what)
}

// verdict closes the report; it is an error if a check failed.
func (r *report) verdict() error {
	fmt.Fprintf(r.out, "\n%d checks, %d of them where %s differs from AWS, %d failed\n", r.checked, r.differs, r.emulator, len(r.failed))
	if len(r.failed) > 0 {
		return fmt.Errorf("%s: failed: %s", r.emulator, strings.Join(r.failed, "; "))
	}
	return nil
}
