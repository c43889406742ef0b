// Package browser holds the JavaScript client, for programs that serve it to pages.
package browser

import "embed"

// Files are the client's modules and their types, as a page imports them.
//
//go:embed *.js *.d.ts
var Files embed.FS
