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

// lineHandler adds the invocation to each line.
type lineHandler struct {
	slog.Handler
	current *request
}

func (h lineHandler) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := h.current.id.Load().(string); ok {
		line.AddAttrs(slog.String("requestId", id))
	}
	return h.Handler.Handle(ctx, line)
}

func (h lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lineHandler{h.Handler.WithAttrs(attrs), h.current}
}

func (h lineHandler) WithGroup(name string) slog.Handler {
	return lineHandler{h.Handler.WithGroup(name), h.current}
}
