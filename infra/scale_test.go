package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/price"
	"github.com/watchroute/watchroute/shared/watch"
)

// What SCALE.md computes with. It says where the quotas and the counts are from.
const (
	connections = 1e6
	changeRate  = 5_000.0 // a second
	topicsEach  = 3.0     // that a connection watches
	life        = 7_200.0 // seconds of a connection
	quota       = 10_000.0
	handshakes  = 500.0
	partition   = 3_000.0 // read units a second
	rowBytes    = 95.0    // of a subscription, by `make bench ARGS="-part crowd"`
	postsAtOnce = 32      // of an execution of push
	postTime    = 0.020   // seconds, assumed
	laneTime    = 2.0     // seconds that a lane is pushed to before the rest is handed on
	pushMemory  = 0.5     // GB
	seconds     = month * 60.0
)

// TestScale prints the computed lines of SCALE.md, and holds the page to them.
func TestScale(t *testing.T) {
	page, err := os.ReadFile("SCALE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range append(append(requests(), months()...), everyone()...) {
		t.Log(line)
		if !strings.Contains(string(page), line+"\n") {
			t.Errorf("SCALE.md does not have the line %s", line)
		}
	}
}

// renewals are the requests a second that connections make as they end and come again: a connect, a
// subscribe for each topic, a disconnect.
func renewals(n float64) float64 { return n / life * (2 + topicsEach) }

// requests gives lines about API Gateway's requests a second of an account.
func requests() (lines []string) {
	for _, every := range []float64{4, 8} { // minutes
		pings := connections / every / 60
		idle := pings + renewals(connections)
		lines = append(lines, fmt.Sprintf("| every %.0f minutes | %s | %s | %s | %s | %.2f |", every, whole(pings), whole(renewals(connections)), whole(quota-idle),
			whole(quota/(idle/connections)), (quota-idle)/changeRate))
	}
	return lines
}

// months gives lines about dollars a month.
func months() (lines []string) {
	add := func(what string, amount float64) {
		lines = append(lines, fmt.Sprintf("| %s | %s |", what, dollars(amount)))
	}
	changes, writes, reads := changeRate*seconds, watch.WritePrice/1e6, watch.ReadPrice/1e6
	lives := connections / life * seconds
	add("connected", connections*month*price.Minute)
	add("pings every 4 minutes", pings(connections, 4))
	add("pings every 8 minutes", pings(connections, 8))
	add("connections that end after 2 hours and come again, with 3 subscribes each", lives*(8+3)*writes+lives*(5+4*3)*reads+lives*2*topicsEach*price.Message)
	add("changes, one a batch", changes*(2*writes+3*reads))
	add("changes, ten of a topic a batch", changes*(2.2*writes+0.4*reads))
	add("posts, if one watches each topic", changes*price.Message*0.8)
	add("posts, if 100 watch each topic", 100*changes*price.Message*0.8)
	return lines
}

// everyone gives lines about a change that a million connections watch.
func everyone() (lines []string) {
	for _, rate := range []float64{10_000, 100_000} { // posts a second
		executions := rate * postTime / postsAtOnce
		rounds := connections / (laneTime / postTime * postsAtOnce)
		messages := max(rounds*min(10, watch.MaxLanes/executions), watch.MaxLanes) // 10 lanes are in one invocation at most
		reads, writes := messages*rowsOfLane()*rowBytes/4096, 4+messages
		cost := connections*price.Message + reads*watch.ReadPrice/1e6 + writes*watch.WritePrice/1e6 + 3*messages*price.QueueCall + executions*connections/rate*pushMemory*price.Second
		lines = append(lines, fmt.Sprintf("| %s | %.0f s | %.0f | %s | %s | %s | $%.2f |", whole(rate), connections/rate, math.Ceil(executions), whole(messages), whole(reads), whole(writes), cost))
	}
	return lines
}

// rowsOfLane is how many subscriptions a lane reads, in shards that were filled one after another:
// of those that were added together, the ones that its connections may be in.
func rowsOfLane() (rows float64) {
	for shards := 1.0; shards*dynamo.DefaultShardSize < connections; shards *= 2 {
		rows += dynamo.DefaultShardSize * max(1, shards/watch.MaxLanes)
	}
	return rows + dynamo.DefaultShardSize // the first shard is alone
}

// whole writes a number of at least 1 with commas.
func whole(n float64) string { return strings.TrimPrefix(dollars(n), "$") }
