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
// hold them, filled like those of [PackChanges]. page.More is that of the last
// frame; the others say true. A page without items is one frame.
func PackSnapshot(page Snapshot) ([][]byte, error) {
	head, tail, err := snapshotAround(page)
	if err != nil {
		return nil, err
	}
	p := packer{head: head, tail: `],"more":true}`}
	for _, item := range page.Items {
		encoded, err := marshal(item)
		if err != nil {
			return nil, fmt.Errorf("encode item %s of %s: %w", item.ID, page.Topic, err)
		}
		p.add(encoded)
	}
	if p.frame == nil {
		p.frame = []byte(head)
	}
	p.tail = tail
	return p.close(), nil
}

// snapshotAround gives what stands before and after the items of a snapshot.
func snapshotAround(page Snapshot) (head, tail string, err error) {
	more := page.More
	page.Items, page.More = []Item{}, false
	empty, err := Encode(&page)
	if err != nil {
		return "", "", err
	}
	head = string(empty[:len(empty)-len(`],"more":false}`)])
	return head, fmt.Sprintf(`],"more":%t}`, more), nil
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
