package watch

import (
	"cmp"
	"fmt"

	"github.com/watchroute/watchroute/events"
)

// outbox holds each frame of an answer back until the next is due, so that the last
// can be returned instead of posted.
type outbox struct {
	post    func([]byte) error
	last    []byte
	changes []events.Change // that are not in a frame yet
	bytes   int             // of their data
	err     error           // the first that occurred; nothing is sent after it
}

func (o *outbox) send(f events.Frame) {
	o.flush()
	body, err := events.Encode(f)
	if err != nil {
		o.err = cmp.Or(o.err, err)
		return
	}
	_ = o.sendEncoded(body) // kept in err
}

// gatheredBytes is how much data of changes is gathered before it is put into frames. The last
// of these frames may not be full.
const gatheredBytes = 8 * events.MeteredBytes

// add sends a change, in one frame with others, of whichever topic. It comes before the next
// frame that is sent.
func (o *outbox) add(c events.Change) {
	o.changes = append(o.changes, c)
	if o.bytes += len(c.Data) + len(c.Patch) + changeBytes; o.bytes >= gatheredBytes {
		o.flush()
	}
}

// flush puts the changes that were gathered into frames.
func (o *outbox) flush() {
	frames, err := events.PackChanges(o.changes)
	o.changes, o.bytes = nil, 0
	if err != nil {
		o.err = cmp.Or(o.err, err)
		return
	}
	_ = o.sendEncoded(frames...) // kept in err
}

// sendEncoded gives the first error that there was.
func (o *outbox) sendEncoded(frames ...[]byte) error {
	for _, frame := range frames {
		if o.err == nil && len(frame) > events.MaxFrameBytes {
			o.err = fmt.Errorf("frame has %d bytes, API Gateway takes %d", len(frame), events.MaxFrameBytes)
		}
		if o.err == nil && o.last != nil {
			o.err = o.post(o.last)
		}
		o.last = frame
	}
	return o.err
}
