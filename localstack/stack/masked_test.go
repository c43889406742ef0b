package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
)

// peeks are options of a subscription that would tell what is masked or filtered away.
// guess is the same with another value: who learns nothing gets the same by both.
var peeks = []struct{ name, options, guess string }{
	{"nothing of its own", ``, ``},
	{"broader than the forced filter", `"filter":{"public":[true,false]}`, ``},
	{"against the forced filter", `"filter":{"public":[false]}`, `"filter":{"public":["x"]}`},
	{"without what is forced", `"filter":{"public":[{"exists":false}]}`, `"filter":{"public":["x"]}`},
	{"either of both", `"filter":{"$or":[{"public":[true]},{"public":[false]}]}`, ``},
	{"fields that are masked", `"fields":["secret","deep.secret","pin"]`, `"fields":["nothing","deep.nothing"]`},
	{"field around what is masked", `"fields":["deep"]`, `"fields":["deep.known"]`},
	{"field below what is masked", `"fields":["secret.text","card.text"]`, `"fields":["nothing"]`},
	{"masked member by its value", `"filter":{"secret":["` + planted + `"]}`, `"filter":{"secret":["guess"]}`},
	{"masked member by a prefix", `"filter":{"secret":[{"prefix":"p"}]}`, `"filter":{"secret":[{"prefix":"q"}]}`},
	{"masked member by a suffix", `"filter":{"secret":[{"suffix":"T"}]}`, `"filter":{"secret":[{"suffix":"U"}]}`},
	{"masked member in other capitals", `"filter":{"secret":[{"equals-ignore-case":"` + strings.ToUpper(planted) + `"}]}`, `"filter":{"secret":[{"equals-ignore-case":"X"}]}`},
	{"masked member by what it is not", `"filter":{"secret":[{"anything-but":["guess"]}]}`, `"filter":{"secret":[{"anything-but":["` + planted + `"]}]}`},
	{"masked member is there", `"filter":{"secret":[{"exists":true}]}`, `"filter":{"nothing":[{"exists":true}]}`},
	{"masked member is not there", `"filter":{"secret":[{"exists":false}]}`, `"filter":{"nothing":[{"exists":false}]}`},
	{"masked number", `"filter":{"pin":[{"numeric":[">",1000]}]}`, `"filter":{"pin":[{"numeric":["<",1000]}]}`},
	{"masked member below another", `"filter":{"deep":{"secret":["` + planted + `"]}}`, `"filter":{"deep":{"secret":["guess"]}}`},
	{"replaced member by its value", `"filter":{"card":["` + planted + `"]}`, `"filter":{"card":["guess"]}`},
	{"masked member in an alternative", `"filter":{"$or":[{"secret":[{"prefix":"p"}]},{"price":[1]}]}`, `"filter":{"$or":[{"secret":[{"prefix":"q"}]},{"price":[1]}]}`},
	{"patches", `"delta":true`, `"delta":true,"fields":["public","price","card","deep.known"]`},
	{"patches of masked members", `"delta":true,"fields":["secret","price"]`, `"delta":true,"fields":["price"]`},
}

// TestMaskedStaysMasked changes what is masked and what is filtered away under pairs of
// watchers.
func TestMaskedStaysMasked(t *testing.T) {
	s, _ := strict(t, nil)
	f := s.ownForger(t)
	admin := s.connectWith(t, f.token(claims{"sub": "admin", "watchroute": raw(all)}))
	for n := range peeks {
		admin.subscribe(fmt.Sprintf("prices/%d", n))
	}
	for n := range peeks {
		s.price(t, n, "shown", true, 1, planted)
		s.price(t, n, "hidden-"+planted, false, 2, planted)
	}
	admin.changes(2 * len(peeks))
	peeking, guessing := make([]*asker, len(peeks)), make([]*asker, len(peeks))
	peeked, guessed := make([]string, len(peeks)), make([]string, len(peeks))
	for n, row := range peeks {
		peeking[n], guessing[n] = s.asker(t, f.token(nil)), s.asker(t, f.token(nil))
		peeked[n], guessed[n] = peeking[n].peek(n, row.options), guessing[n].peek(n, row.guess)
	}
	for n := range peeks {
		s.price(t, n, "shown", true, 1, "another "+planted)
		s.price(t, n, "hidden-"+planted, false, 3, planted)
		s.price(t, n, "shown", true, 4, planted)
		s.price(t, n, "shown", false, 4, planted)
		s.price(t, n, "shown", true, 5, planted)
	}
	for n, row := range peeks {
		peeked[n] += peeking[n].follow(7)
		guessed[n] += guessing[n].follow(7)
		if peeked[n] != guessed[n] {
			t.Errorf("%s: sees\n%s\nanother one\n%s", row.name, peeked[n], guessed[n])
		}
		peeking[n].mayNotHave(planted)
	}
}

// peek watches a topic with options, and gives its items as they are seen.
func (a *asker) peek(n int, options string) string {
	a.t.Helper()
	frame := fmt.Sprintf(`{"action":"subscribe","topic":"prices/%d","snapshot":true,%s}`, n, options)
	if got := a.ask(strings.Replace(frame, ",}", "}", 1)); answer(got) != "subscribed" {
		a.t.Fatalf("%s is answered %s", frame, got)
	}
	var page events.Snapshot
	if err := json.Unmarshal(a.hear(), &page); err != nil {
		a.t.Fatal(err)
	}
	return quote(page.Items)
}

// follow gives the changes up to one, without those that are skipped: in how many pieces
// they come depends on the moment.
func (a *asker) follow(seq int64) string {
	a.t.Helper()
	var shown strings.Builder
	for at := int64(0); at < seq; {
		var frame events.Changes
		if err := json.Unmarshal(a.hear(), &frame); err != nil {
			a.t.Fatal(err)
		}
		for _, c := range frame.Changes {
			if at = c.Cursor().Seq; c.Op != events.Skipped {
				shown.WriteString("\n" + quote(c))
			}
		}
	}
	return shown.String()
}

// price writes an item with a price that may be seen and secrets that are masked.
func (s *running) price(t *testing.T, n int, id string, public bool, price int64, secret string) {
	t.Helper()
	s.putItem(t, map[string]types.AttributeValue{
		"topic": text(fmt.Sprintf("prices/%d", n)), "id": text(id), "public": &types.AttributeValueMemberBOOL{Value: public}, "price": number(price),
		"secret": text(secret), "card": text(secret), "pin": number(1000 + int64(len(secret))),
		"deep": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"secret": text(secret), "known": text("x")}},
	})
}
