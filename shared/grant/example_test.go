package grant_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/grant"
)

// A token of anna's: her own topics, and the stocks without what they cost.
func ExampleParse() {
	g, err := grant.Parse([]byte(`{"v":1,"allow":[
		{"topics":["users/{sub}/**"],"actions":["subscribe","read","publish"]},
		{"topics":["stocks/*"],"actions":["subscribe","read"],"mask":{"omit":["cost"]}}]}`), "anna")
	if err != nil {
		log.Fatal(err)
	}
	for _, topic := range []events.Topic{"users/anna/inbox", "users/ben/inbox", "stocks/AAPL"} {
		_, publish := g.Allows(grant.Publish, topic)
		view, read := g.Allows(grant.Read, topic)
		fmt.Printf("%s publish %t read %t view %q\n", topic, publish, read, view)
	}
	// Output:
	// users/anna/inbox publish true read true view ""
	// users/ben/inbox publish false read false view ""
	// stocks/AAPL publish false read true view "{\"omit\":[\"cost\"]}"
}

// A subscription to a pattern is allowed if one rule holds for all its topics.
func ExampleGrant_Covers() {
	g, err := grant.Parse([]byte(`{"v":1,"allow":[
		{"topics":["stocks/private/*"],"actions":["subscribe"],"mask":{"omit":["owner"]}},
		{"topics":["stocks/**"],"actions":["subscribe"]}]}`), "anna")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"stocks/*", "stocks/private/*", "stocks/**"} {
		pattern, err := grant.ParsePattern(name)
		if err != nil {
			log.Fatal(err)
		}
		view, ok := g.Covers(grant.Subscribe, pattern)
		fmt.Printf("%s %t view %q\n", name, ok, view)
	}
	// Output:
	// stocks/* true view ""
	// stocks/private/* true view "{\"omit\":[\"owner\"]}"
	// stocks/** false view ""
}

// What a client asks for applies to what the grant lets through.
func ExampleView() {
	g, err := grant.Parse([]byte(`{"v":1,"allow":[{"topics":["orders"],"actions":["subscribe"],
		"filter":{"region":["eu"]},"mask":{"omit":["margin"],"replace":{"customer.card":"****"}}}]}`), "anna")
	if err != nil {
		log.Fatal(err)
	}
	view, _ := g.Allows(grant.Subscribe, "orders")
	view, err = view.Narrow(json.RawMessage(`{"total":[{"numeric":[">",100]}]}`), []string{"total", "customer.card", "margin"})
	if err != nil {
		log.Fatal(err)
	}

	small := json.RawMessage(`{"region":"eu","total":99,"margin":7,"customer":{"name":"Ben","card":"4111"}}`)
	large := json.RawMessage(`{"region":"eu","total":199,"margin":7,"customer":{"name":"Ben","card":"4111"}}`)
	moved := json.RawMessage(`{"region":"us","total":199,"margin":7,"customer":{"name":"Ben","card":"4111"}}`)
	for _, states := range [][2]json.RawMessage{{small, large}, {large, moved}, {moved, small}} {
		seen, err := grant.NewChange(events.Modified, states[0], states[1]).In(view, grant.NewBudget(1000))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(seen.Op, string(seen.Data))
	}
	// Output:
	// added {"customer":{"card":"****"},"total":199}
	// removed {"customer":{"card":"****"},"total":199}
	//
}

// A patch is made of what is seen, and only if it is shorter.
func ExampleSeen_Delta() {
	before := json.RawMessage(`{"name":"Apple Inc.","price":150.75}`)
	for _, after := range []string{`{"name":"Apple Inc.","price":151}`, `{"name":null,"price":151}`} {
		seen, err := grant.NewChange(events.Modified, before, json.RawMessage(after)).In(grant.View{}, nil)
		if err != nil {
			log.Fatal(err)
		}
		patch, ok := seen.Delta(nil)
		fmt.Println(ok, string(patch))
	}
	// Output:
	// true {"price":151}
	// false
}
