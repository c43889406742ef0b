package origin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/origin"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example":         "https://app.example",
		"https://App.Example":         "https://app.example",
		"HTTPS://app.example:443":     "https://app.example",
		"http://app.example:80":       "http://app.example",
		"http://app.example:443":      "http://app.example:443",
		"http://localhost:3000":       "http://localhost:3000",
		"http://127.0.0.1:4566":       "http://127.0.0.1:4566",
		"http://[::1]:4566":           "http://[::1]:4566",
		"chrome-extension://abcdefgh": "chrome-extension://abcdefgh",
		"https://xn--bcher-kva.test":  "https://xn--bcher-kva.test",

		"":                                    "",
		"null":                                "",
		"*":                                   "",
		"app.example":                         "",
		"//app.example":                       "",
		"https:app.example":                   "",
		"https://":                            "",
		"https://:443":                        "",
		"https://app.example/":                "",
		"https://app.example/path":            "",
		"https://app.example?":                "",
		"https://app.example#":                "",
		"https://user@app.example":            "",
		"https://*.app.example":               "",
		"https://bücher.test":                 "",
		"https://app.example:":                "",
		"https://app.example:0":               "",
		"https://app.example:0443":            "",
		"https://app.example:65536":           "",
		"https://app.example:x":               "",
		"https://a.example,https://b":         "",
		"https://app.example ":                "",
		" https://app.example":                "",
		"https://[::1%25eth0]":                "",
		"https://[app.example]":               "",
		"https://" + strings.Repeat("a", 254): "",
	} {
		got, err := origin.Parse(text)
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "origin ") {
				t.Errorf("%q is read as %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q is read as %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseList(t *testing.T) {
	got, err := origin.ParseList("https://a.example,http://b.example:81")
	want := []origin.Origin{{Scheme: "https", Host: "a.example"}, {Scheme: "http", Host: "b.example", Port: "81"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if none, err := origin.ParseList(""); len(none) != 0 || err != nil {
		t.Errorf("an empty list is %v, %v", none, err)
	}
	if _, err := origin.ParseList("null,https://a.example,*"); err == nil || !strings.Contains(err.Error(), `"null"`) || !strings.Contains(err.Error(), `"*"`) {
		t.Errorf("not all faults are told: %v", err)
	}
}

// FuzzParse holds that what is read can be written and read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"https://app.example:8443", "http://[::1]", "null", "https://a/b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := origin.Parse(text)
		if err != nil {
			return
		}
		if again, err := origin.Parse(o.String()); err != nil || again != o {
			t.Errorf("%q is read as %v, which is read as %v, %v", text, o, again, err)
		}
	})
}
