package watch

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"testing"
)

// TestPartsAreAboutEqual, for random ids, such as API Gateway's, and for consecutive ones.
func TestPartsAreAboutEqual(t *testing.T) {
	const connections, of = 32_000, 32
	for name, id := range map[string]func(int) ConnectionID{
		"API Gateway's": func(int) ConnectionID {
			random := make([]byte, 11)
			_, _ = rand.Read(random)
			return ConnectionID(base64.URLEncoding.EncodeToString(random))
		},
		"one after the other": func(n int) ConnectionID { return ConnectionID(fmt.Sprintf("Sx1a2cOEo%06dw=", n)) },
	} {
		var sizes [of]int
		for n := range connections {
			sizes[id(n).Slot(of)]++
		}
		for part, size := range sizes {
			if size < connections/of*8/10 || size > connections/of*12/10 {
				t.Errorf("%s: part %d of %d has %d of %d connections", name, part, of, size, connections)
			}
		}
	}
}

// TestAPartSplitsIntoTwo, and no connection moves into another part.
func TestAPartSplitsIntoTwo(t *testing.T) {
	for n := range 1_000 {
		id := ConnectionID(fmt.Sprint("connection ", n))
		for of := 1; of <= 1_024; of *= 2 {
			slot := id.Slot(of)
			if next := id.Slot(2 * of); next != slot && next != slot+of {
				t.Fatalf("slot %d of %d becomes %d of %d", slot, of, next, 2*of)
			}
			if !(Part{Index: slot, Of: of}).Has(id) || of > 1 && (Part{Index: (slot + 1) % of, Of: of}).Has(id) {
				t.Fatalf("%s is not in part %d of %d alone", id, slot, of)
			}
		}
	}
}
