package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// failure is the error of a function that was invoked and failed.
type failure struct {
	Function     string
	ErrorMessage string
}

func (f *failure) Error() string { return fmt.Sprintf("%s failed: %s", f.Function, f.ErrorMessage) }

// invoke invokes a function with an event and decodes its answer. If the function
// fails, the error is a *failure.
func (d *deployment) invoke(ctx context.Context, id string, event, answer any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	in, out := filepath.Join(d.options.dir, "event.json"), filepath.Join(d.options.dir, "answer.json")
	if err := os.WriteFile(in, payload, 0o644); err != nil {
		return err
	}
	var invoked struct{ FunctionError string }
	if err := d.runAWS(ctx, &invoked, "lambda", "invoke", "--function-name", d.physical[id], "--payload", "fileb://"+in, out); err != nil {
		return err
	}
	data, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if invoked.FunctionError == "" {
		return json.Unmarshal(data, answer)
	}
	failed := &failure{Function: id}
	if err := json.Unmarshal(data, failed); err != nil {
		return fmt.Errorf("%s failed (%s): %s", id, invoked.FunctionError, data)
	}
	return failed
}
