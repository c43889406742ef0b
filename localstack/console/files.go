package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/watchroute/watchroute/shared/origin"
)

// files serves the files of pages, which are embedded and never change while the program runs.
type files struct {
	served map[string]file // by path
}

type file struct {
	content []byte
	kind    string // the media type
	tag     string // the ETag
}

func newFile(name string, content []byte) file {
	sum := sha256.Sum256(content)
	return file{content: content, kind: kinds[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// newFiles reads files. A folder's index.html also is the folder itself. Types of TypeScript are for
// editors, and Go files are not for pages.
func newFiles(from fs.FS) files {
	f := files{served: map[string]file{}}
	_ = fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || kinds[path.Ext(name)] == "" {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		one := newFile(name, content)
		f.served["/"+name] = one
		if folder, index := strings.CutSuffix("/"+name, "index.html"); index {
			f.served[folder] = one
		}
		return nil
	}) // what is embedded can be read
	return f
}

// kinds are the media types of what is served. The machine's own table of types may differ.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".yaml": "application/yaml", ".ts": "text/plain; charset=utf-8",
}

func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, there := f.served[r.URL.Path]
	protect(w.Header(), r)
	if !there {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	one.serve(w, r)
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("ETag", f.tag)
	w.Header().Set("Cache-Control", "no-cache") // ask whether it is the same: the next build has others
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// protect forbids a page whatever it does not need: code and styles that are not files of the stack,
// calls of other hosts, frames, forms.
//
// Source: https://www.w3.org/TR/CSP3/
func protect(h http.Header, r *http.Request) {
	own := "'self'"
	if here, err := origin.Parse("http://" + r.Host); err == nil { // some browsers do not count WebSockets to 'self'
		own += " ws" + strings.TrimPrefix(here.String(), "http")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "+own+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
	isolate(h)
}

// isolate keeps pages of other sites from using what is served.
func isolate(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}
