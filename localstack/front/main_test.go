package main

import (
	"strings"
	"testing"
)

// TestFlagsThatCannotBe: the error names the flag or the file.
func TestFlagsThatCannotBe(t *testing.T) {
	for want, args := range map[string][]string{
		`no argument "x"`:             {"x"},
		"read template: open nowhere": {"--template", "nowhere"},
		"has no port":                 {"--callback", "http://host.docker.internal", "--addr", "127.0.0.1:0"},
		"find stack Chat":             {"--endpoint", "http://127.0.0.1:1", "--stack", "Chat", "--addr", "127.0.0.1:0"},
		"listen on":                   {"--addr", "nonsense"},
	} {
		var out strings.Builder
		if err := run(t.Context(), args, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: the error is %v, want %s", args, err, want)
		}
	}
}
