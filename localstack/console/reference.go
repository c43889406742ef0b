package console

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"

	"github.com/watchroute/watchroute/events"
)

// reference is the folder with the pages that make docs has made of the contracts.
type reference string

// there reports whether it has been made.
func (dir reference) there() bool {
	_, err := dir.read("index.html")
	return err == nil
}

// stale reports whether the pages are of other contracts than those that the stack has. The pages' folder
// has a copy of what they were made of.
func (dir reference) stale() bool {
	for name, text := range map[string][]byte{"openapi.yaml": events.OpenAPI, "asyncapi.yaml": events.AsyncAPI, "schema/watchroute.schema.json": events.Schema} {
		if of, err := dir.read(name); err == nil && !bytes.Equal(of, text) {
			return true
		}
	}
	return false
}

// ServeHTTP reads from the disk each time, so that the pages need no new start of the stack.
func (dir reference) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// The renderer's styles, scripts and fonts are in its pages. Each page also names the hashes of its scripts,
	// in a policy of its own: nothing else runs.
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:"+
		"; connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	isolate(h)
	name := cmp.Or(r.URL.Path, "index.html")
	content, err := dir.read(name)
	switch {
	case dir.stale():
		http.Error(w, "The reference is of other contracts than those of this stack. Run `make docs`, or start the stack anew, and load this page again.", http.StatusNotFound)
	case err == nil:
		newFile(name, content).serve(w, r)
	case dir.there():
		http.Error(w, "there is no such file", http.StatusNotFound)
	default:
		http.Error(w, "The reference has not been made yet. Run `make docs`, and load this page again.", http.StatusNotFound)
	}
}

// read reads a file of a page. It goes nowhere else: neither by .. nor by a symbolic link.
func (dir reference) read(name string) ([]byte, error) {
	if kinds[path.Ext(name)] == "" {
		return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
	}
	root, err := os.OpenRoot(string(dir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(name)
}
