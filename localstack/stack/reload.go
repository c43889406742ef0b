package stack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/watchroute/watchroute/shared/build"
)

// reloadInterval is how often the source is looked at. A walk over the few hundred
// files of the module takes about a millisecond.
const reloadInterval = 500 * time.Millisecond

// Reload watches the module's source until ctx ends. When a Go file changes it
// builds the functions anew; those whose executable is another now serve the next
// invocation with it, while running ones finish. Source that does not compile is
// reported, and the old executables stay.
func (s *Stack) Reload(ctx context.Context) {
	seen := s.sourceTimes()
	sums := s.executableSums()
	for tick := time.NewTicker(reloadInterval); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		now := s.sourceTimes()
		if maps.Equal(seen, now) {
			continue
		}
		seen = now
		if err := build.Functions(ctx, s.o.Root, s.o.BuildDir, build.Host(), nil); err != nil {
			s.o.Logger.Error("source changed but does not build", "err", err)
			continue
		}
		sums = s.swap(sums)
	}
}

// swap updates the functions whose executable differs from before.
func (s *Stack) swap(before map[string][sha256.Size]byte) map[string][sha256.Size]byte {
	after := s.executableSums()
	for name, sum := range after {
		if before[name] == sum {
			continue
		}
		if err := s.functions.Update(name, s.executable(s.sources[name])); err != nil {
			s.o.Logger.Error("function not updated", "function", name, "err", err)
			continue
		}
		s.o.Logger.Info("function updated", "function", name)
	}
	return after
}

// sourceTimes gives the modification time of every Go file that a function may be
// built from.
func (s *Stack) sourceTimes() map[string]time.Time {
	times := map[string]time.Time{}
	for _, folder := range []string{"functions", "shared", "events"} {
		walk := func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return nil // a file that vanished meanwhile is a change like any other
			}
			if info, err := entry.Info(); err == nil {
				times[path] = info.ModTime()
			}
			return nil
		}
		_ = filepath.WalkDir(filepath.Join(s.o.Root, folder), walk) // walk never fails
	}
	return times
}

// executableSums gives the hash of each function's executable, by function name.
func (s *Stack) executableSums() map[string][sha256.Size]byte {
	sums := map[string][sha256.Size]byte{}
	for name, source := range s.sources {
		sum, err := fileSum(s.executable(source))
		if err != nil {
			s.o.Logger.Error("executable not read", "function", name, "err", err)
			continue
		}
		sums[name] = sum
	}
	return sums
}

func fileSum(path string) (sum [sha256.Size]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, fmt.Errorf("hash executable: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return sum, fmt.Errorf("hash executable: %w", err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}
