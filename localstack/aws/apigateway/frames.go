package apigateway

import (
	"encoding/binary"
	"errors"
)

// errFrameTooLarge stands in the byte stream where a too large frame begins.
var errFrameTooLarge = errors.New("frame exceeds the frame limit")

// The parts of a frame header that matter here.
//
// Source: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
const (
	opcodeMask  = 0x0f
	opcodeClose = 0x8
	maskBit     = 0x80
	length16    = 126 // two more bytes hold the length
	length64    = 127 // eight do
	longHeader  = 2 + 8 + 4
)

// frameScanner follows the frames in a client's bytes as they pass by. The
// WebSocket library reassembles frames to messages without telling their
// sizes, so the frame limit is kept here, below it.
type frameScanner struct {
	header  [longHeader]byte
	have    int    // bytes of header read
	payload uint64 // bytes of payload still to pass
}

// frame is one header, read whole.
type frame struct {
	opcode byte
	size   int    // bytes of header
	length uint64 // bytes of payload
}

// next consumes bytes up to the end of the next header, and says how many. It
// reports false if the bytes end before that.
func (s *frameScanner) next(p []byte) (n int, f frame, ok bool) {
	skipped := min(uint64(len(p)), s.payload)
	s.payload -= skipped
	for n = int(skipped); n < len(p); {
		s.header[s.have] = p[n]
		s.have++
		n++
		if s.have == s.size() {
			f = frame{opcode: s.header[0] & opcodeMask, size: s.have, length: s.length()}
			s.have, s.payload = 0, f.length
			return n, f, true
		}
	}
	return n, frame{}, false
}

// size is how long this header is, as far as its bytes tell.
func (s *frameScanner) size() int {
	size := 2
	if s.have < size {
		return size
	}
	switch s.header[1] &^ maskBit {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	if s.header[1]&maskBit != 0 {
		size += 4
	}
	return size
}

func (s *frameScanner) length() uint64 {
	switch short := s.header[1] &^ maskBit; short {
	case length16:
		return uint64(binary.BigEndian.Uint16(s.header[2:]))
	case length64:
		return binary.BigEndian.Uint64(s.header[2:])
	default:
		return uint64(short)
	}
}
