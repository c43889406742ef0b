// Package chat is rooms to talk in, over a WebSocket. The package holds the page, which the local stack
// serves at /examples/chat/.
//
//	index.html   the page
//	person.js    who somebody is, and the token that says which rooms are theirs
//	room.js      what is said in a room, and who is there: a model that knows no page
//	chat.js      draws it
//	chat.css     how it looks
package chat

import "embed"

// Files are those of the page.
//
//go:embed index.html chat.css *.js
var Files embed.FS
