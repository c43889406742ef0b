package main

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/price"
	"github.com/watchroute/watchroute/shared/watch"
)

const month = 30 * 24 * 60 // minutes

// A ping of one topic, as TestCost… count it: 3 read units, and a message each way. The function
// has 256 MB, and 10 ms are more than it takes here.
const (
	pingReads  = 3
	pingSecond = 0.010 * 256 / 1024
)

func messages(n float64) float64 {
	return math.Min(n, price.Bulk)*price.Message + math.Max(n-price.Bulk, 0)*price.BulkMessage
}

func pings(users, every float64) float64 {
	n := users * month / every
	return messages(2*n) + n*(price.Invocation+pingSecond*price.Second+pingReads*watch.ReadPrice/1e6)
}

// TestDollars prints the README's table of costs, and holds it to that.
func TestDollars(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	few, many := 1_000.0, 100_000.0
	for _, row := range []struct {
		what    string
		dollars func(users float64) float64
	}{
		{"connected all month", func(users float64) float64 { return users * month * price.Minute }},
		{"pings of the Go client, every 4 minutes (the default with a token)", func(users float64) float64 { return pings(users, 4) }},
		{"pings every 8 minutes", func(users float64) float64 { return pings(users, 8) }},
		{"one change that all of them watch", func(users float64) float64 { return users * price.Message }},
	} {
		line := fmt.Sprintf("| %s | %s | %s |", row.what, dollars(row.dollars(few)), dollars(row.dollars(many)))
		t.Log(line)
		if !strings.Contains(string(page), line+"\n") {
			t.Errorf("README does not have the line %s", line)
		}
	}
}

// A message to a webhook takes deliver a quarter of a second, if the receiver answers in 0.2 s, and one to
// a queue, topic, bus or stream 0.05 s. It has 256 MB.
const (
	deliverSecond = 0.25 * 256 / 1024
	putSecond     = 0.05 * 256 / 1024
)

// delivered is a row of the README's table of deliveries: changes in a message, to what, write units, read
// units, requests of queues, invocations, dollars. TestCostOfADelivery and TestCostOfADeliveryToAWS of
// shared/delivery hold the first six.
var delivered = regexp.MustCompile(`(?m)^\| (1|10|100)( to AWS)? \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| \$([\d.]+) \|$`)

// TestDollarsOfDeliveries holds the README to what its counts of a message cost, for a million changes.
func TestDollarsOfDeliveries(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := delivered.FindAllStringSubmatch(string(page), -1)
	if len(rows) != 6 {
		t.Fatalf("README has the rows %q, want 6", rows)
	}
	for _, row := range rows {
		var n [5]float64
		for i, text := range append([]string{row[1]}, row[3:7]...) {
			if n[i], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatal(err)
			}
		}
		second := deliverSecond
		if row[2] != "" {
			second = putSecond
		}
		changes, writes, reads, requests, invocations := n[0], n[1], n[2], n[3], n[4]
		message := (writes*watch.WritePrice+reads*watch.ReadPrice)/1e6 + requests*price.QueueCall + invocations*(price.Invocation+second*price.Second)
		if want := fmt.Sprintf("%.2f", 1e6/changes*message); row[7] != want {
			t.Errorf("README has the row %s, want $%s", row[0], want)
		}
	}
	// The sweep reads 4 units a minute, and one for what is declared, and takes 50 ms.
	sweeps := fmt.Sprintf("the sweep costs $%.2f a month", month*(5*watch.ReadPrice/1e6+price.Invocation+0.05*256/1024*price.Second))
	if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), sweeps) {
		t.Errorf("README does not say that %s", sweeps)
	}
}

// dollars writes whole dollars with commas, and what is less than one with its cents.
func dollars(amount float64) string {
	switch {
	case amount < 0.01:
		return fmt.Sprintf("$%.3f", amount)
	case amount < 1:
		return fmt.Sprintf("$%.2f", amount)
	}
	text := fmt.Sprintf("%.0f", amount)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return "$" + text
}
