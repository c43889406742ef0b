package console

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
)

// reference is the folder with the pages that make docs has made of the contracts.
type reference string

// there reports whether it has been made.
func (dir reference) there() bool {
	_, err := dir.read("index.html")
	return err == nil
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
