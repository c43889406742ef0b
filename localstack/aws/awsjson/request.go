package awsjson

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/watchroute/watchroute/events/exactjson"
)

// MaxRequestBytes bounds a request body, unpacked. DynamoDB itself refuses requests over
// 16 MB (BatchWriteItem), the largest of the services spoken here. It does not bound what
// a packed request unpacks to; we do, because the stack shares a laptop.
const MaxRequestBytes = 16 << 20

var (
	errTooLarge = &Error{Status: http.StatusRequestEntityTooLarge, Type: "SerializationException",
		Message: fmt.Sprintf("request body could not be read, at most %d bytes are allowed", MaxRequestBytes)}
	// errPacked is DynamoDB's answer to a body that does not unpack, and to any packing
	// but gzip.
	errPacked = &Error{Status: http.StatusInternalServerError, Type: "InternalServerError",
		Message: "request body could not be unpacked; gzip is supported"}
)

// readBody reads a request's body, which may be packed with gzip.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-compression.html
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := io.Reader(http.MaxBytesReader(w, r.Body, MaxRequestBytes))
	packed := false
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, errPacked
		}
		body, packed = io.LimitReader(unpacked, MaxRequestBytes+1), true
	default:
		return nil, errPacked
	}
	read, err := io.ReadAll(body)
	switch {
	case len(read) > MaxRequestBytes, err != nil && !packed:
		return nil, errTooLarge
	case err != nil:
		return nil, errPacked
	}
	return read, nil
}

// Decode reads a request body into a struct. Names of members count with their case, and a
// member that is no field's is ignored. The error is an *Error: what a value in the body
// finds wrong with itself as that puts it, anything else as a SerializationException.
func Decode(body []byte, in any) error {
	err := exactjson.Unmarshal(body, in)
	if err == nil && !isObject(body) { // null decodes into anything
		return Errorf("SerializationException", "the request body must be a JSON object")
	}
	var e *Error
	var wrongType *exactjson.TypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return Errorf("SerializationException", "%s_VALUE cannot be converted to the type of %s",
			strings.ToUpper(wrongType.Value), wrongType.Field)
	case errors.As(err, &wrongType):
		return Errorf("SerializationException", "the request body must be a JSON object")
	}
	return Errorf("SerializationException", "the request body is not valid JSON: %v", err)
}

func isObject(valid []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(valid, " \t\r\n"), []byte("{"))
}
