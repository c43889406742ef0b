package beside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// invoker runs functions by Lambda's API. It is what both API Gateways ask for.
type invoker struct {
	client *lambda.Client
	whole  atomic.Bool // Lambda has no InvokeWithResponseStream: streams come whole
}

// Invoke runs a function and waits for its answer. It asks once: a function must not run twice because
// an answer was lost.
func (i *invoker) Invoke(ctx context.Context, function string, payload []byte) (output []byte, functionError bool, err error) {
	out, err := i.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		return nil, false, cause(ctx, err)
	}
	return out.Payload, out.FunctionError != nil, nil
}

// InvokeStream runs a function whose answer is streamed. Where Lambda cannot stream, the answer comes
// whole, when the function has ended.
func (i *invoker) InvokeStream(ctx context.Context, function string, payload []byte) (answer io.ReadCloser, failure []byte, err error) {
	if !i.whole.Load() {
		out, err := i.client.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: &function, Payload: payload})
		if err == nil {
			return readStream(out.GetStream()), nil, nil
		}
		if !lacksStreams(err) {
			return nil, nil, cause(ctx, err)
		}
		i.whole.Store(true)
	}
	output, failed, err := i.Invoke(ctx, function, payload)
	if err != nil {
		return nil, nil, err
	}
	if failed {
		return nil, output, nil
	}
	return io.NopCloser(bytes.NewReader(output)), nil, nil
}

// lacksStreams tells an emulator that does not know the operation from one that refuses it.
func lacksStreams(err error) bool {
	answered, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok {
		return false
	}
	switch answered.HTTPStatusCode() {
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return true
	}
	// A function that does not exist has an error of its own.
	_, notFound := errors.AsType[*types.ResourceNotFoundException](err)
	return answered.HTTPStatusCode() == http.StatusNotFound && !notFound
}

// readStream turns the events of a stream into a reader, which fails if the function does.
func readStream(stream *lambda.InvokeWithResponseStreamEventStream) io.ReadCloser {
	reader, writer := io.Pipe()
	go func() {
		defer stream.Close()
		for event := range stream.Events() {
			switch event := event.(type) {
			case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
				if _, err := writer.Write(event.Value.Payload); err != nil {
					return // nobody reads any more; the function runs on
				}
			case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
				if code := aws.ToString(event.Value.ErrorCode); code != "" {
					_ = writer.CloseWithError(fmt.Errorf("%s: %s", code, aws.ToString(event.Value.ErrorDetails)))
					return
				}
			}
		}
		_ = writer.CloseWithError(stream.Err()) // nil is the end
	}()
	return reader
}

// cause is ctx's error if that is why an invocation failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
