// Package welcome says how to use a service that runs on this machine: where everything is, and what to paste.
package welcome

import (
	"fmt"
	"strings"
)

// Page is what a user reads when the service runs.
type Page struct {
	// Head is the first line.
	Head string
	// Rows say what is where; those without a value are left out.
	Rows []Row
	// WebSocket is the URL to connect to.
	WebSocket string
	// Endpoint of the AWS APIs, their Region, and the Table to put items into.
	Endpoint, Region, Table string
	// HTTP is where the REST API's paths begin, "" if there is none.
	HTTP string
	// Whole says that a stream of events comes whole, when it has ended, so that nobody should ask for one.
	Whole bool
	// Admission says who is let in, and how to be somebody.
	Admission string
}

// Row is one line of what is where.
type Row struct{ Label, Value string }

// String is the page.
func (p Page) String() string {
	var rows strings.Builder
	for _, r := range p.Rows {
		if r.Value != "" {
			fmt.Fprintf(&rows, "\n  %-14s%s", r.Label, r.Value)
		}
	}
	return fmt.Sprintf(`
%s
%s

Watch a topic, in a second terminal:

  npx wscat -c %s
  > {"action":"subscribe","id":"q1","topic":"stocks/AAPL"}

Put an item, in a third:

  aws --endpoint-url %s --region %s --no-sign-request dynamodb put-item --table-name %s \
    --item '{"topic":{"S":"stocks/AAPL"},"id":{"S":"quote"},"price":{"N":"150.75"}}'
%s
%s

`, p.Head, rows.String(), p.WebSocket, p.Endpoint, p.Region, p.Table, p.overHTTP(), p.Admission)
}

// overHTTP says how to read the topic without a WebSocket.
func (p Page) overHTTP() string {
	if p.HTTP == "" {
		return ""
	}
	topic := p.HTTP + "/topics/stocks/AAPL"
	if p.Whole {
		return `
Or read the topic over HTTP: its items, and the changes after a cursor of theirs, waiting for one up to 25 s:

  curl ` + topic + `
  curl '` + topic + `?after=CURSOR&wait=25'
`
	}
	return `
Or read the topic over HTTP: its items, and, from then on, each change as it comes:

  curl ` + topic + `
  curl -N -H 'Accept: text/event-stream' ` + topic + `
`
}
