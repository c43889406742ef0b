package function

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// TestLinesHaveLambdasFields: without a level or a timestamp under these names, Lambda takes a
// line for one of INFO and of now.
func TestLinesHaveLambdasFields(t *testing.T) {
	var out bytes.Buffer
	logger, current := newLogger(&out, "")
	logger.Warn("batch incomplete", "lost", 3, "err", errors.New("gone"))
	current.begin(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r1"}))
	logger.With("connection", "c1").Error("request failed")
	want := []map[string]any{
		{"level": "WARN", "message": "batch incomplete", "lost": 3.0, "err": "gone"},
		{"level": "ERROR", "message": "request failed", "connection": "c1", "requestId": "r1"},
	}
	for n, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err, text)
		}
		at, err := time.Parse(time.RFC3339, line["timestamp"].(string))
		if err != nil || time.Since(at) > time.Minute {
			t.Errorf("timestamp of %s: %v", text, err)
		}
		delete(line, "timestamp")
		for name, value := range want[n] {
			if line[name] != value {
				t.Errorf("%s: %s is %v, want %v", text, name, line[name], value)
			}
			delete(line, name)
		}
		if len(line) > 0 {
			t.Errorf("%s has %v, too", text, line)
		}
	}
}

// TestNoFieldIsThereTwice: most readers of JSON take the last of two, so that an attribute
// would hide what happened.
func TestNoFieldIsThereTwice(t *testing.T) {
	var out bytes.Buffer
	logger, current := newLogger(&out, "")
	current.begin(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r1"}))
	all := []any{"time", 1, "level", 2, "msg", 3, "timestamp", 4, "message", 5, "requestId", 6}
	logger.Warn("records not salvaged", all...)
	logger.With(all...).Warn("records not salvaged")
	for text := range strings.Lines(out.String()) {
		for _, name := range []string{"time", "level", "msg", "timestamp", "message", "requestId"} {
			field := `"` + name + `":`
			if want := map[bool]int{true: 0, false: 1}[name == "time" || name == "msg"]; strings.Count(text, field) != want || strings.Count(text, `"`+name+`Of":`) != 1 {
				t.Errorf("%s is in %s", field, text)
			}
		}
		if !strings.Contains(text, `"message":"records not salvaged"`) || !strings.Contains(text, `"requestId":"r1"`) {
			t.Errorf("the line is %s", text)
		}
	}
}

func TestLevelOfTheDeployment(t *testing.T) {
	for level, want := range map[string]slog.Level{"": slog.LevelInfo, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError, "TRACE": slog.LevelInfo} {
		logger, _ := newLogger(&bytes.Buffer{}, level)
		for _, at := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			if got := logger.Enabled(t.Context(), at); got != (at >= want) {
				t.Errorf("with %q, %s is written: %t", level, at, got)
			}
		}
	}
}
