package main

import (
	"strings"
	"testing"
)

func TestWithoutAStackItSaysWhatToDo(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	err := run(t.Context(), []string{"-url", "http://127.0.0.1:1"}, nil)
	if err == nil || !strings.Contains(err.Error(), "no stack takes prices at http://127.0.0.1:1: start one with `make local`") {
		t.Error(err)
	}
}

func TestAPriceHasCentsAndIsNeverNothing(t *testing.T) {
	s := stock{price: 24.3}
	if s.move(-3); s.price != 24.21 {
		t.Errorf("24.30 has become %v", s.price)
	}
	s.price = 0.01
	if s.move(-800); s.price != 0.01 {
		t.Errorf("a cent has become %v", s.price)
	}
}
