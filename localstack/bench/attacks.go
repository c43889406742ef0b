package main

import "context"

// attack is one way in which mallory tries to hurt the others.
type attack struct {
	name string
	what string
	// prepare is not measured: connections, subscriptions, and what must be stored.
	prepare func(context.Context, *attacker) error
	// attack goes on until its context ends.
	attack func(context.Context, *attacker) error
	// writes tells that she writes items during the attack, which take work even if nobody
	// watches them.
	writes bool
	// excess says what she got that the service should not have given; nil if nothing
	// but what holds for all attacks can be said.
	excess func(*outcome, usage) error
}

// attacks are all of them. Most spread over several topics, as a stream has more than one
// shard and only those on the others' shard can hurt them.
func attacks() []attack {
	return []attack{
		{"filters", "80 connections, each with a filter of its own on a topic of its own; one item each with a list of 60,000 numbers, within 6 s",
			prepareFilters, attackFilters, true, nil},
		{"views", "80 connections, each with a filter, fields and delta of its own, on 4 topics; 10 items of 100 KB a second",
			prepareViews, attackViews, true, nil},
		{"snapshots", "20 connections, each with a filter of its own; 20 snapshots a second of a topic of 2,000 items",
			prepareSnapshots, attackSnapshots, false, nil},
		{"pings", "4 connections ask from the start for 20 topics, each with a log of 5.5 MB",
			preparePings, attackPings, false, pingsBounded},
		{"patterns", "4 connections ask where 500 topics stand, by seven patterns that all cover them",
			preparePatterns, attackPatterns, false, pingsBounded},
		{"slow", "16 connections read 8 KB a second, of 4 topics; 10 items of 100 KB a second",
			prepareSlow, attackSlow, true, nil},
	}
}
