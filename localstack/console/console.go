// Package console is the only place that knows the local stack's console: the page at / that shows what
// happens in the stack, and what the page asks for and changes.
//
//	GET  /                          the page; its files are below /_localstack/console/
//	GET  /browser/watchroute.js     the client for browsers, as every page here imports it
//	GET  /examples/chat/            an example
//	POST /_localstack/token         signs a token
//
// What changes something is a POST with a JSON body from a page of the stack's own origin. A GET changes
// nothing: pages of other sites can cause GETs that tell nothing of where they come from.
package console

import (
	"context"
	"embed"
	"io/fs"
	"net/http"

	"github.com/watchroute/watchroute/shared/browser"
)

// Options say what the console has to show.
type Options struct {
	// Examples are the files of each example, by its name, which is its folder below /examples/.
	Examples map[string]fs.FS
	// Ready reports whether the stack is up. Until then only files are served.
	Ready func() bool
	// Secret gives the secret that signs tokens; empty if the stack has none.
	Secret func(context.Context) ([]byte, error)
}

//go:embed page
var page embed.FS

// Routes adds the console's paths to a mux.
func Routes(mux *http.ServeMux, o Options) {
	own, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	files := newFiles(own)
	mux.Handle("GET /{$}", files)
	mux.Handle("GET /_localstack/console/", http.StripPrefix("/_localstack/console", files))
	mux.Handle("GET /browser/", http.StripPrefix("/browser", newFiles(browser.Files)))
	for name, example := range o.Examples {
		prefix := "/examples/" + name
		mux.Handle("GET "+prefix+"/", http.StripPrefix(prefix, newFiles(example)))
	}
	mux.Handle("/_localstack/token", o.changes(o.token))
}
