package lambda

import (
	"bytes"
	"io"
	"sync"
)

// maxLine is where a line without end is cut, in bytes.
const maxLine = 64 << 10

// log writes the lines of all functions to one writer, whole.
type log struct {
	mu  sync.Mutex
	out io.Writer // nil: dropped
}

// line writes one line of a function.
func (l *log) line(name, text string) { l.write(name, []byte(text)) }

func (l *log) write(name string, text []byte) {
	if l.out == nil {
		return
	}
	line := make([]byte, 0, len(name)+len(text)+4)
	line = append(append(append(append(line, '['), name...), "] "...), text...)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(append(line, '\n')) // a log that cannot be written has nowhere to say so
}

// output cuts what one process writes into lines.
type output struct {
	log  *log
	name string

	mu   sync.Mutex
	rest []byte // the line that has not ended yet
}

// Write never fails, so that a process cannot block on its output.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, b...)
	for {
		end := bytes.IndexByte(o.rest, '\n')
		next := end + 1
		if end < 0 && len(o.rest) >= maxLine {
			end, next = maxLine, maxLine
		}
		if end < 0 {
			return len(b), nil
		}
		o.log.write(o.name, bytes.TrimSuffix(o.rest[:end], []byte("\r")))
		o.rest = o.rest[:copy(o.rest, o.rest[next:])]
	}
}

// flush writes the last line of a process that did not end it.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.rest) > 0 {
		o.log.write(o.name, o.rest)
	}
	o.rest = nil
}
