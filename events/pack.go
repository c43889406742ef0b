package events

import (
	"fmt"
	"slices"
)

// PackChanges encodes changes into as few changes frames as hold them, in order. A frame is
// filled up to [MeteredBytes]. Only a single change that is larger than that gets a longer
// frame of its own. A change whose data or patch is over [MaxDataBytes] goes without it,
// marked Large, so that no frame is over [MaxFrameBytes].
func PackChanges(changes []Change) ([][]byte, error) {
	frames, _, err := PackChangesUpTo(changes)
	return frames, err
}

// PackChangesUpTo packs changes as [PackChanges] does, and also gives the cursor of the last change
// in each frame.
func PackChangesUpTo(changes []Change) (frames [][]byte, last []Cursor, err error) {
	p := packer{head: `{"type":"changes","changes":[`, tail: `]}`}
	for _, c := range changes {
		if max(len(c.Data), len(c.Patch)) > MaxDataBytes {
			c.Data, c.Patch, c.Large = nil, nil, true
		}
		encoded, err := Marshal(c)
		if err != nil {
			return nil, nil, fmt.Errorf("encode change %s of %s: %w", c.Cursor(), c.Topic, err)
		}
		if p.add(encoded); len(last) <= len(p.full) {
			last = append(last, Cursor{})
		}
		last[len(p.full)] = c.Cursor()
	}
	return p.close(), last, nil
}

// PackSnapshot encodes a page of a topic's items into as few snapshot frames as hold them,
// filled like those of [PackChanges]. page.From is that of the first frame. page.Next and
// page.Costly are those of the last. The frames in between lead from one to the next, by
// what place gives as the [Bookmark] after an item; all but the last say More. An item whose
// data does not fit goes without it, marked Large. A page without items is one frame.
func PackSnapshot(page Snapshot, place func(id string) (Bookmark, error)) ([][]byte, error) {
	var frames [][]byte
	items, costly := slices.Clone(page.Items), page.Costly
	for i, item := range items {
		if len(item.Data) > MaxDataBytes {
			items[i] = Item{ID: item.ID, Large: true}
		}
	}
	for first := true; first || len(items) > 0; first = false {
		n, err := fitting(page, items)
		if err != nil {
			return nil, err
		}
		frame := page
		frame.Items, items = items[:n:n], items[n:]
		frame.Costly = 0
		if len(items) > 0 {
			next, err := place(frame.Items[n-1].ID)
			if err != nil {
				return nil, err
			}
			frame.More, frame.Next = true, next.String()
		} else {
			frame.Costly = costly
		}
		encoded, err := encodeSnapshot(frame)
		if err != nil {
			return nil, err
		}
		frames = append(frames, encoded)
		page.From = frame.Next
	}
	return frames, nil
}

// encodeSnapshot encodes a frame of items that fit, or of a single one of any size.
func encodeSnapshot(frame Snapshot) ([]byte, error) {
	if len(frame.Items) == 0 {
		frame.Items = []Item{} // not null
	}
	encoded, err := Encode(&frame)
	if err == nil && len(encoded) > MaxFrameBytes { // with the longest names around it
		frame.Items = []Item{{ID: frame.Items[0].ID, Large: true}}
		return Encode(&frame)
	}
	return encoded, err
}

// snapshotAround is room for what stands around a frame's items: the request's id, the topic,
// the cursor and two bookmarks.
const snapshotAround = 4 << 10

// fitting is how many of the first items a frame holds; at least one, if there is one.
func fitting(page Snapshot, items []Item) (int, error) {
	size := snapshotAround
	for i, item := range items {
		encoded, err := Marshal(item)
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
