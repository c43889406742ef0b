package header_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/watchroute/watchroute/shared/header"
)

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		single map[string]string
		multi  map[string][]string
		want   []string
	}{
		"none":                      {map[string]string{"Host": "x"}, map[string][]string{"Host": {"x"}}, nil},
		"two lines":                 {map[string]string{"Origin": "b"}, map[string][]string{"Origin": {"a", "b"}}, []string{"a", "b"}},
		"without multiValueHeaders": {map[string]string{"origin": "b"}, nil, []string{"b"}},
		"without headers":           {nil, map[string][]string{"ORIGIN": {"a"}}, []string{"a"}},
		"an empty line":             {map[string]string{"Origin": ""}, map[string][]string{"Origin": {""}}, []string{""}},
		"names in two capitals":     {nil, map[string][]string{"origin": {"b"}, "Origin": {"a"}}, []string{"a", "b"}},
	} {
		if got := header.Lines(c.single, c.multi, "Origin"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Two lines of a list are one list.
func ExampleList() {
	lines := map[string][]string{"Sec-WebSocket-Protocol": {"watchroute.v1", "bearer.abc , other"}}
	fmt.Printf("%q", header.List(nil, lines, "Sec-WebSocket-Protocol"))
	// Output: ["watchroute.v1" "bearer.abc" "other"]
}
