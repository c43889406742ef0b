// Package ticker shows prices in a page, as they change, by an EventSource and nothing else. The package
// holds the page, which the local stack serves at /examples/ticker/.
//
//	index.html   the page
//	ticker.js    watches stocks/* and draws
//	ticker.css   how it looks
//	writer       puts prices into the table Events (`make ticker`)
package ticker

import "embed"

// Files are those of the page.
//
//go:embed index.html ticker.js ticker.css
var Files embed.FS
