package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/watch"
)

// serve runs a service for an example. On a laptop, the URL is what make local
// prints; on AWS it is the output WebSocketUrl.
func serve() (url string, s *service, stop func()) {
	s = newService(context.Background())
	server := httptest.NewServer(s.gateway)
	s.http, s.address = http.DefaultClient, strings.TrimPrefix(server.URL, "http://")
	return s.url(), s, func() { s.gateway.Close(); server.Close() }
}

// Watch a topic from now on.
func ExampleClient_Watch() {
	url, _, stop := serve()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{}) {
		switch {
		case err != nil:
			log.Fatal(err)
		case event.Change != nil:
			fmt.Printf("%s %s %s at %s\n", event.Change.Op, event.Change.ID, event.Change.Data, event.Cursor)
			return // leaving the loop ends the watch
		default: // the watch has begun, nothing is missed from here on
			go func() {
				_, _ = c.Publish(ctx, "stocks/AAPL", events.Item{ID: "quote", Data: []byte(`{"price":150.75}`)})
			}()
		}
	}
	// Output: added quote {"price":150.75} at e1:1
}

// Keep a copy of a topic: its items first, then every change. The same loop handles
// starting over, should the watch miss what the log no longer has.
func ExampleClient_Watch_copy() {
	url, service, stop := serve()
	defer stop()
	service.put("stocks/AAPL", "quote", `{"price":150.75}`)
	service.put("stocks/AAPL", "filing", `{"form":"10-K"}`)

	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	items := map[string]string{}
	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{Snapshot: true}) {
		if err != nil {
			log.Fatal(err)
		}
		if page := event.Page; page != nil {
			if page.First {
				clear(items)
			}
			for _, item := range page.Items {
				items[item.ID] = string(item.Data)
			}
			if page.Last {
				fmt.Println(len(items), "items at", event.Cursor)
				go service.remove("stocks/AAPL", "filing")
			}
		}
		if change := event.Change; change != nil {
			items[change.ID] = string(change.Data)
			if change.Op == events.Removed {
				delete(items, change.ID)
			}
			fmt.Println(items)
			break
		}
	}
	// Output:
	// 2 items at e1:2
	// map[quote:{"price":150.75}]
}

// Go on where an earlier process stopped: it kept the cursor of the last event that
// it had dealt with.
func ExampleWatchOptions_after() {
	url, service, stop := serve()
	defer stop()
	for _, price := range []string{"150.75", "151", "152.5"} {
		service.put("stocks/AAPL", "quote", `{"price":`+price+`}`)
	}

	kept, err := events.ParseCursor("e1:1")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for event, err := range c.Watch(ctx, "stocks/AAPL", client.WatchOptions{After: &kept}) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Change != nil {
			fmt.Println(event.Cursor, string(event.Change.Data))
		}
		if event.Cursor.Seq == 3 {
			break
		}
	}
	// Output:
	// e1:2 {"price":151}
	// e1:3 {"price":152.5}
}

// Watch a part of a topic as someone: only the items that match, only some of their
// data, and no more than the token allows.
func ExampleOptions_token() {
	url, service, stop := serve()
	defer stop()
	service.tokens = map[string]watch.Access{"alice's": {Grant: grant.All(), Expires: time.Now().Add(time.Hour)}}

	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{
		Token: func(context.Context) (string, error) { return "alice's", nil }, // ask whoever issues them
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	go func() {
		_, _ = c.Publish(ctx, "orders", events.Item{ID: "1", Data: []byte(`{"total":5,"to":"Bob"}`)})
		_, _ = c.Publish(ctx, "orders", events.Item{ID: "2", Data: []byte(`{"total":500,"to":"Eve"}`)})
	}()
	large := client.WatchOptions{
		After:  &events.Cursor{}, // from the first change on
		Filter: []byte(`{"total":[{"numeric":[">",100]}]}`),
		Fields: []string{"to"},
	}
	for event, err := range c.Watch(ctx, "orders", large) {
		if err != nil {
			log.Fatal(err)
		}
		if event.Change != nil {
			fmt.Println(event.Change.Op, string(event.Change.Data))
			break
		}
	}
	// Output: added {"to":"Eve"}
}

// Ask rarely whether anything is missing, as one of a million clients should: from the
// beginning, since all of them may have to connect again at once.
func ExampleOptions_millionClients() {
	url, _, stop := serve()
	defer stop()
	c, err := client.Dial(context.Background(), url, client.Options{
		PingInterval:    8 * time.Minute,
		MaxPingInterval: 8 * time.Minute,
		MaxBackoff:      5 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Stats().Connections, "connection")
	// Output: 1 connection
}

// Publish waits until the item is in the table, over broken connections too. What
// the service refuses is an error that says what to mend.
func ExampleClient_Publish() {
	url, _, stop := serve()
	defer stop()
	ctx := context.Background()
	c, err := client.Dial(ctx, url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	id, err := c.Publish(ctx, "stocks/AAPL", events.Item{ID: "quote", Data: []byte(`{"price":151}`)})
	fmt.Println(id, err)

	_, err = c.Publish(ctx, "stocks//AAPL", events.Item{ID: "quote"})
	var refused *events.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, "means", refused.Code.Remedy())
	}
	// Output:
	// quote <nil>
	// bad_topic means fix the request
}
