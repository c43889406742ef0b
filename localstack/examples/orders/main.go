// Orders shows event sourcing: what happens to an order is appended to a topic of its own, and a
// projector keeps the present state of all orders, which anybody can watch.
//
//	orders place|pay|ship|cancel ID    appends an event to orders/ID/events
//	orders project                     keeps the topic orders up to date, until it is stopped
//
//	    place, pay, …  ──append──►  orders/7/events: 000001 placed, 000002 paid
//	                                     │ watched by the pattern orders/**
//	                                     ▼
//	                                 project ──put──►  orders: 7 {"status":"paid", …}
//
// An event is an item whose id is its number in the order. It is put only if there is none with this id,
// so of two commands that see the same state one is refused, and looks again.
//
// The projector may be killed at any time. Each state says up to which cursor it has the events of its
// order. The next projector goes on from there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/watchroute/watchroute/shared/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("orders", flag.ContinueOnError)
	webSocketURL := set.String("ws", "ws://localhost:4566/live", "the output `WebSocketUrl`")
	httpURL := set.String("http", "http://localhost:4566/live", "the output `HttpUrl`")
	token := set.String("token", "", "a `token` that may watch, read and publish orders/**")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	options := client.Options{}
	if *token != "" {
		options.Token = func(context.Context) (string, error) { return *token, nil }
	}
	switch command := set.Arg(0); {
	case command == "project" && set.NArg() == 1:
		return project(ctx, *webSocketURL, *httpURL, options)
	case commands[command] != nil && set.NArg() == 2:
		return history{*httpURL, *token, options}.carryOut(ctx, set.Arg(1), commands[command])
	}
	return errors.New("say project, or place, pay, ship or cancel with the id of an order")
}
