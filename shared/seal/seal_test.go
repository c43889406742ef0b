package seal_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/shared/seal"
)

// vault is a secret that is rotated. It counts how often it is read.
type vault struct {
	versions [][]byte
	err      error
	reads    int
}

func (v *vault) read(context.Context) ([][]byte, error) {
	v.reads++
	return v.versions, v.err
}

func version(name string) []byte { return bytes.Repeat([]byte(name), seal.MinSecretBytes) }

func TestSealedTextOpensForWhatItIsAbout(t *testing.T) {
	s := seal.New((&vault{versions: [][]byte{version("a")}}).read)
	sealed, err := s.Seal(t.Context(), []byte("item-7"), "place", "stocks/AAPL", "alice")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.Open(t.Context(), sealed, "place", "stocks/AAPL", "alice"); err != nil || string(text) != "item-7" {
		t.Errorf("opened %q, %v", text, err)
	}
	for _, about := range [][]string{nil, {"place", "stocks/AAPL", "bob"}, {"place", "stocks/MSFT", "alice"}, {"placestocks/AAPL", "alice"}, {"place", "stocks/AAPL", "alice", ""}} {
		if text, err := s.Open(t.Context(), sealed, about...); !errors.Is(err, seal.ErrForged) {
			t.Errorf("about %q it opens: %q, %v", about, text, err)
		}
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if _, err := s.Open(t.Context(), string(changed), "place", "stocks/AAPL", "alice"); !errors.Is(err, seal.ErrForged) {
			t.Errorf("with another character at %d: %v", i, err)
		}
	}
}

func TestSameTextIsNeverSealedAlike(t *testing.T) {
	s := seal.New((&vault{versions: [][]byte{version("a")}}).read)
	one, _ := s.Seal(t.Context(), []byte("x"))
	two, err := s.Seal(t.Context(), []byte("x"))
	if err != nil || one == two || len(one) != len(two) {
		t.Errorf("%q and %q, %v", one, two, err)
	}
}

func TestRotationKeepsTheVersionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{versions: [][]byte{version("a")}}
		s, old := seal.New(v.read), seal.New(v.read)
		sealed, err := old.Seal(t.Context(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		v.versions = [][]byte{version("b"), version("a")}
		later, err := s.Seal(t.Context(), []byte("y"))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := s.Open(t.Context(), sealed); err != nil || string(text) != "x" {
			t.Errorf("what the version before has sealed: %q, %v", text, err)
		}
		if text, err := old.Open(t.Context(), later); err != nil || string(text) != "y" {
			t.Errorf("a process with the secret of before opens a later text: %q, %v", text, err)
		}
		v.versions = [][]byte{version("c"), version("b")}
		time.Sleep(time.Hour)
		if _, err := s.Open(t.Context(), sealed); !errors.Is(err, seal.ErrForged) {
			t.Errorf("after two rotations: %v", err)
		}
	})
}

// TestForgedTextsFetchUpToABound: each fetch is a call that costs money.
func TestForgedTextsFetchUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{versions: [][]byte{version("a")}}
		s := seal.New(v.read)
		sealed, _ := s.Seal(t.Context(), []byte("x"), "one")
		for range 2000 {
			_, _ = s.Open(t.Context(), sealed, "another")
		}
		if v.reads != 1001 {
			t.Errorf("the secret was read %d times", v.reads)
		}
		for range 100 {
			time.Sleep(25 * time.Millisecond)
			_, _ = s.Open(t.Context(), sealed, "another")
		}
		if v.reads != 1011 {
			t.Errorf("the secret was read %d times, 2.5 s later", v.reads)
		}
	})
}

// TestForgedTextsDoNotKeepGoodOnesOut: one was sent a moment before the secret is rotated,
// and another process seals with the new one.
func TestForgedTextsDoNotKeepGoodOnesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{versions: [][]byte{version("a")}}
		s := seal.New(v.read)
		sealed, _ := s.Seal(t.Context(), []byte("x"), "one")
		time.Sleep(time.Hour)
		for range 10 {
			if _, err := s.Open(t.Context(), sealed, "another"); !errors.Is(err, seal.ErrForged) {
				t.Error(err)
			}
		}
		v.versions = [][]byte{version("b"), version("a")}
		later, _ := seal.New(v.read).Seal(t.Context(), []byte("y"))
		if text, err := s.Open(t.Context(), later); err != nil || string(text) != "y" {
			t.Errorf("what another process has sealed opens as %q, %v", text, err)
		}
	})
}

// TestBadEarlierSecretDoesNoHarm: it may have been replaced because it was too short.
func TestBadEarlierSecretDoesNoHarm(t *testing.T) {
	s := seal.New((&vault{versions: [][]byte{version("a"), []byte("short")}}).read)
	sealed, err := s.Seal(t.Context(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.Open(t.Context(), sealed); err != nil || string(text) != "x" {
		t.Errorf("opens as %q, %v", text, err)
	}
}

// TestFailedFetchIsNotRepeatedForEveryText: while Secrets Manager fails, each would wait for it.
func TestFailedFetchIsNotRepeatedForEveryText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{versions: [][]byte{version("a")}}
		s := seal.New(v.read)
		sealed, _ := s.Seal(t.Context(), []byte("x"))
		time.Sleep(time.Hour)
		v.err, v.reads = errors.New("no connection"), 0
		for range 100 {
			if _, err := s.Open(t.Context(), sealed); err != nil {
				t.Fatal(err)
			}
			_, _ = s.Open(t.Context(), sealed, "forged")
		}
		if v.reads != 1 {
			t.Errorf("the secret was asked for %d times within a minute", v.reads)
		}
		time.Sleep(time.Minute)
		v.versions, v.err = [][]byte{version("b")}, nil
		if _, err := s.Open(t.Context(), sealed); !errors.Is(err, seal.ErrForged) {
			t.Errorf("a minute later, with another secret: %v", err)
		}
	})
}

func TestSecretThatCannotBeReadIsNotForgery(t *testing.T) {
	v := &vault{err: errors.New("no connection")}
	s := seal.New(v.read)
	if _, err := s.Seal(t.Context(), []byte("x")); err == nil {
		t.Error("sealed without a secret")
	}
	other := seal.New((&vault{versions: [][]byte{version("a")}}).read)
	sealed, _ := other.Seal(t.Context(), []byte("x"))
	if _, err := s.Open(t.Context(), sealed); err == nil || errors.Is(err, seal.ErrForged) {
		t.Errorf("opened without a secret: %v", err)
	}
	short := seal.New((&vault{versions: [][]byte{[]byte("short")}}).read)
	if _, err := short.Seal(t.Context(), []byte("x")); err == nil {
		t.Error("sealed with a secret of 5 bytes")
	}
}
