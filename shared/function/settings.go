package function

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Settings reads what a function is told by its environment, and remembers what was
// wrong, so that everything missing or malformed is reported at once.
type Settings struct {
	getenv func(string) string
	errs   []error
}

// SettingsFrom makes settings; getenv is os.Getenv outside tests.
func SettingsFrom(getenv func(string) string) *Settings { return &Settings{getenv: getenv} }

// Text reads a setting that must not be empty.
func (s *Settings) Text(name string) string {
	value := s.getenv(name)
	if value == "" {
		s.errs = append(s.errs, fmt.Errorf("%s is not set", name))
	}
	return value
}

// Optional reads a setting that may be empty.
func (s *Settings) Optional(name string) string { return s.getenv(name) }

// Flag reads a setting that is "true" or "false"; empty is false.
func (s *Settings) Flag(name string) bool {
	switch text := s.getenv(name); text {
	case "true":
		return true
	case "false", "":
	default:
		s.errs = append(s.errs, fmt.Errorf("%s is %q, must be true or false", name, text))
	}
	return false
}

// MaxCount is the largest number that Count takes. It is far beyond every use, so that sums
// and small multiples of such numbers are numbers, too.
const MaxCount = 1_000_000_000

// CheckCount reports what Count would refuse.
func CheckCount(n int) error {
	if n < 1 || n > MaxCount {
		return fmt.Errorf("must be a number from 1 to %d", MaxCount)
	}
	return nil
}

// Count reads a setting that is a number from 1 to MaxCount.
func (s *Settings) Count(name string) int {
	text := s.Text(name)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		value = 0
	}
	if err := CheckCount(value); err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s is %q, %w", name, text, err))
	}
	return value
}

// Rate reads a setting that is a number greater than 0, such as 0.5.
func (s *Settings) Rate(name string) float64 {
	text := s.Text(name)
	if text == "" {
		return 0
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value > 0) || math.IsInf(value, 1) {
		s.errs = append(s.errs, fmt.Errorf("%s is %q, must be a number greater than 0", name, text))
	}
	return value
}

// Duration reads a setting such as "48h" that must be at least min.
func (s *Settings) Duration(name string, min time.Duration) time.Duration {
	text := s.Text(name)
	if text == "" {
		return 0
	}
	value, err := time.ParseDuration(text)
	switch {
	case err != nil:
		s.errs = append(s.errs, fmt.Errorf("%s is %q, which is not a duration such as 48h", name, text))
	case value < min:
		s.errs = append(s.errs, fmt.Errorf("%s is %s, must be at least %s", name, value, min))
	}
	return value
}

// Err joins what was wrong with the settings read so far; nil if nothing was.
func (s *Settings) Err() error { return errors.Join(s.errs...) }
