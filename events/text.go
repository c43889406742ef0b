package events

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// CheckText reports what is wrong with the texts in JSON: they must be UTF-8, and an escape of
// half a UTF-16 pair must be followed by one of the other half. Package json, as many others,
// reads what breaks this as U+FFFD without a word, so that different texts become the same.
// The error is a sentence without its subject.
//
// Source: RFC 8259, section 8.2, and RFC 7493, section 2.1
func CheckText(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("has text that is not UTF-8")
	}
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || i+1 == len(data) {
			return nil
		}
		data = data[i:]
		first, isHalf := surrogate(data)
		if !isHalf {
			data = data[len(`\\`):] // a backslash may be what is escaped
			continue
		}
		half := data[:len(`\u0000`)]
		data = data[len(half):]
		second, _ := surrogate(data)
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return fmt.Errorf("has half of a UTF-16 pair alone, %s", half)
		}
		data = data[len(half):]
	}
}

// surrogate reads the escape of half a UTF-16 pair, if data begins with one.
func surrogate(data []byte) (r rune, ok bool) {
	if len(data) < len(`\u0000`) || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[len(`\u`):len(`\u0000`)]), 16, 16)
	return rune(n), err == nil && utf16.IsSurrogate(rune(n))
}
