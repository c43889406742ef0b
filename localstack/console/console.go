// Package console is the only place that knows the local stack's console: the page at / that shows what
// happens in the stack, and what the page asks for and changes.
//
//	GET  /                            the page; its files are below /_localstack/console/
//	GET  /browser/watchroute.js       the client for browsers, as every page here imports it
//	GET  /examples/chat/              an example
//	GET  /docs/                       the reference, if make docs has made it
//	GET  /_localstack/about           where things are
//	GET  /_localstack/topics          what topics there are; match=, most=
//	GET  /_localstack/log             the changes of a topic= that come from= a number on
//	GET  /_localstack/then            the items of a topic= as they were after the change with a number seq=
//	GET  /_localstack/connections     who is connected, and subscribed to what
//	POST /_localstack/cut             ends the TCP connection of a client
//	GET  /_localstack/destinations    what is delivered where
//	GET  /_localstack/costs           what was used, and its price; a POST counts anew
//	GET  /_localstack/faults          what may be broken; a POST changes rates
//	POST /_localstack/token           signs a token
//
// What changes something is a POST with a JSON body from a page of the stack's own origin. A GET changes
// nothing: pages of other sites can cause GETs that tell nothing of where they come from.
package console

import (
	"context"
	"embed"
	"io/fs"
	"maps"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb"
	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/shared/browser"
	"github.com/watchroute/watchroute/shared/dynamo"
)

// Options say what the console has to show.
type Options struct {
	// Examples are the files of each example, by its name, which is its folder below /examples/.
	Examples map[string]fs.FS
	// Docs is the folder that make docs fills. It is looked at again with each request.
	Docs string
	// Ready reports whether the stack is up. Until then only files are served, and nothing below is
	// called.
	Ready func() bool
	// Secret gives the secret that signs tokens; empty if the stack has none.
	Secret func(context.Context) ([]byte, error)
	// About says where things are.
	About func() About
	// DB has the tables, whose names Tables gives.
	DB     func() *dynamodb.Engine
	Tables func() dynamo.Tables
	// Connections gives the ids of open sockets, and Cut ends the TCP connection of one.
	Connections func() []string
	Cut         func(id string) bool
	// Used gives what was used since it was reset.
	Used      func() Used
	ResetUsed func()
	// Faults is what may be broken; nil if that is nothing.
	Faults *fault.Faults
}

// About says where the parts of a stack are.
type About struct {
	Stage     string            `json:"stage"`
	HTTP      bool              `json:"http"`      // there is a REST API
	Anonymous bool              `json:"anonymous"` // clients without a token may do everything
	Examples  []string          `json:"examples"`
	Docs      bool              `json:"docs"` // the reference is there
	Outputs   map[string]string `json:"outputs"`
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
	mux.Handle("GET /docs/", http.StripPrefix("/docs/", reference(o.Docs)))
	for name, show := range map[string]view{
		"about": o.about, "topics": o.topics, "log": o.log, "then": o.then, "connections": o.connections, "destinations": o.destinations,
		"costs": o.costs, "faults": o.faults,
	} {
		mux.Handle("GET /_localstack/"+name, o.shows(show))
	}
	for name, change := range map[string]change{"token": o.token, "cut": o.cut, "costs": o.resetCosts, "faults": o.setFaults} {
		mux.Handle("/_localstack/"+name, o.changes(change))
	}
}

func (o Options) about(*http.Request) (any, error) {
	a := o.About()
	a.Examples = slices.AppendSeq([]string{}, maps.Keys(o.Examples))
	slices.Sort(a.Examples)
	a.Docs = reference(o.Docs).there()
	return a, nil
}

// store reads the tables without being counted.
func (o Options) store() *dynamo.Store {
	return dynamo.Open(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		BaseEndpoint: aws.String("http://dynamodb.local"), HTTPClient: inside{o.DB().Onlooker()},
	}, o.Tables())
}
