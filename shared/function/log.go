package function

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// newLogger writes lines of JSON with the fields of Lambda's own: timestamp, level, message and
// requestId. Lambda filters lines by level, and takes their time, only if they are named so.
// level is the setting of the deployment, such as WARN; an empty or unknown one is INFO.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
func newLogger(out io.Writer, level string) (*slog.Logger, *request) {
	var least slog.Level
	if least.UnmarshalText([]byte(level)) != nil {
		least = slog.LevelInfo
	}
	current := &request{}
	lines := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: least, ReplaceAttr: lambdacontext.ReplaceAttr})
	return slog.New(lineHandler{lines, current}), current
}

// request knows the id of the invocation that runs: a process has one at a time. So each line
// has it, whoever writes it.
type request struct{ id atomic.Value }

// begin remembers the invocation of a context.
func (r *request) begin(ctx context.Context) {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		r.id.Store(invocation.AwsRequestID)
	}
}

// lineHandler adds the invocation to each line, and keeps every field unique.
type lineHandler struct {
	slog.Handler
	current *request
}

func (h lineHandler) Handle(ctx context.Context, line slog.Record) error {
	whole := slog.NewRecord(line.Time, line.Level, line.Message, line.PC)
	line.Attrs(func(attr slog.Attr) bool {
		whole.AddAttrs(distinct(attr))
		return true
	})
	if id, ok := h.current.id.Load().(string); ok {
		whole.AddAttrs(slog.String(requestID, id))
	}
	return h.Handler.Handle(ctx, whole)
}

func (h lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	renamed := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		renamed[i] = distinct(attr)
	}
	return lineHandler{h.Handler.WithAttrs(renamed), h.current}
}

const requestID = "requestId"

// distinct gives an attribute that is called like a field of every line another name. A line
// with two fields of one name loses one of them.
func distinct(attr slog.Attr) slog.Attr {
	switch attr.Key {
	case slog.TimeKey, slog.LevelKey, slog.MessageKey, "timestamp", "message", requestID:
		attr.Key += "Of"
	}
	return attr
}

func (h lineHandler) WithGroup(name string) slog.Handler {
	return lineHandler{h.Handler.WithGroup(name), h.current}
}
