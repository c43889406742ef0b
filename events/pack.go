package events

import "fmt"

// PackChanges encodes changes into as few changes frames as hold them, in order.
// A frame is filled up to [MeteredBytes]; only a single change that is larger
// than that gets a longer frame of its own. Each Data must be JSON of at most
// [MaxDataBytes].
func PackChanges(changes []Change) ([][]byte, error) {
	p := packer{head: `{"type":"changes","changes":[`, tail: `]}`}
	for _, c := range changes {
		encoded, err := marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode change %s of %s: %w", c.Cursor(), c.Topic, err)
		}
		p.add(encoded)
	}
	return p.close(), nil
}

// PackSnapshot encodes a page of a topic's items into as few snapshot frames as
// hold them, filled like those of [PackChanges]. page.From is that of the first
// frame and page.Next that of the last, and the frames in between lead from one to
// the next. All but the last say More. A page without items is one frame.
func PackSnapshot(page Snapshot) ([][]byte, error) {
	var frames [][]byte
	items := page.Items
	for first := true; first || len(items) > 0; first = false {
		n, err := fitting(page, items)
		if err != nil {
			return nil, err
		}
		frame := page
		frame.Items, items = items[:n:n], items[n:]
		if len(items) > 0 {
			frame.More, frame.Next = true, Bookmark{Cursor: page.Cursor, After: frame.Items[n-1].ID}.String()
		}
		if n == 0 {
			frame.Items = []Item{} // not null
		}
		encoded, err := Encode(&frame)
		if err != nil {
			return nil, err
		}
		frames = append(frames, encoded)
		page.From = frame.Next
	}
	return frames, nil
}

// snapshotAround is room for what stands around a frame's items: topic, cursor, and
// two bookmarks with ids of [MaxItemIDBytes], of which JSON may double each byte.
const snapshotAround = 2 << 10

// fitting is how many of the first items a frame holds; at least one, if there is
// one.
func fitting(page Snapshot, items []Item) (int, error) {
	size := snapshotAround
	for i, item := range items {
		encoded, err := marshal(item)
		if err != nil {
			return 0, fmt.Errorf("encode item %s of %s: %w", item.ID, page.Topic, err)
		}
		if size += len(encoded) + len(","); i > 0 && size > MeteredBytes {
			return i, nil
		}
	}
	return len(items), nil
}

// packer fills frames of the form head element,element,… tail.
type packer struct {
	head, tail string
	frame      []byte // the one being filled; nil if none is begun
	full       [][]byte
}

func (p *packer) add(element []byte) {
	if p.frame != nil && len(p.frame)+len(",")+len(element)+len(p.tail) > MeteredBytes {
		p.full = append(p.full, append(p.frame, p.tail...))
		p.frame = nil
	}
	if p.frame == nil {
		p.frame = append([]byte(p.head), element...)
		return
	}
	p.frame = append(append(p.frame, ','), element...)
}

// close ends the frame being filled and gives all of them.
func (p *packer) close() [][]byte {
	if p.frame == nil {
		return p.full
	}
	return append(p.full, append(p.frame, p.tail...))
}
