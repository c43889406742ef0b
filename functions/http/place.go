package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// The id of a stream's event says how far the client has come:
//
//	id      = part *( "," part ) "~" hash   // a part for each name in the URL, in their order
//	        / cursor                        // of a single topic that is seen whole
//	part    = place                         // of a topic
//	        / [ "*" / "-" ] *( "!" name "=" place )   // of a pattern
//	place   = cursor                        // it has all changes up to there
//	        / "*"                           // it is to have the items first
//	        / bookmark                      // it is to have the items from there on
//	        / "-"                           // it is to be told that what it has is void, and to have the items
//
// name is the part of the topic in place of the pattern's wildcard. A topic of a pattern that has
// no place begins with its first change, or with its items if the part begins with * or -. The hash
// covers the names in the URL, and what the client sees of each.
const (
	// maxIDBytes bounds an id. It comes back in a header, and API Gateway allows 10,240 bytes for
	// all headers together, including the token.
	//
	// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
	maxIDBytes = 4 << 10
	// bookmarkBytes bounds a bookmark. An id has one at most.
	bookmarkBytes = 1500
)

const (
	itemsFirst = "*"
	void       = "-"
)

// placeOf writes the id.
func placeOf(follows []watch.Follow) string {
	parts := make([]string, len(follows))
	for i, follow := range follows {
		parts[i] = partOf(follow)
	}
	if only := follows[0]; len(follows) == 1 && only.ViewID == events.WholeView && only.Place == (watch.Place{After: only.After}) && !only.Topic.IsPattern() {
		return parts[0]
	}
	return strings.Join(parts, ",") + "~" + listHash(follows)
}

func partOf(follow watch.Follow) string {
	if !follow.Topic.IsPattern() {
		return textOf(follow.Place)
	}
	part := ""
	begun := watch.Place{} // the place of a topic that has none in the id
	if follow.Items || follow.Void {
		part = textOf(follow.Place)
		begun.Items = true
	}
	base, _ := follow.Topic.Split()
	for _, topic := range slices.Sorted(maps.Keys(follow.Below)) {
		if place := follow.Below[topic]; place != begun {
			part += "!" + strings.TrimPrefix(strings.TrimPrefix(string(topic), string(base)), "/") + "=" + textOf(place)
		}
	}
	return part
}

func textOf(p watch.Place) string {
	switch {
	case p.Void:
		return void
	case p.Items && p.Next == "":
		return itemsFirst
	case p.Items:
		return p.Next
	}
	return p.After.String()
}

func listHash(follows []watch.Follow) string {
	hash := sha256.New()
	for _, follow := range follows {
		_, _ = fmt.Fprintf(hash, "%s %s\n", follow.Topic, follow.ViewID) // which cannot fail
	}
	return hex.EncodeToString(hash.Sum(nil)[:4])
}

// fits refuses follows whose id could become too long. The longest id has a cursor of each topic,
// and a bookmark in the items of one.
func fits(follows []watch.Follow) error {
	whole := slices.Clone(follows)
	patterns := false
	for i := range whole {
		patterns = patterns || whole[i].Topic.IsPattern()
		whole[i].Place = reached(whole[i].Place)
		whole[i].Below = maps.Clone(whole[i].Below)
		for topic, place := range whole[i].Below {
			whole[i].Below[topic] = reached(place)
		}
	}
	if patterns && len(placeOf(whole)) > maxIDBytes-bookmarkBytes {
		return &events.Error{Code: events.CodeTooManyTopics, Message: "the patterns have more topics than the id of a stream can name: follow narrower ones, or use a WebSocket"}
	}
	return nil
}

// reached gives a place at which the client has a cursor. A missing cursor is taken to be as long
// as that of a topic's millionth change.
func reached(p watch.Place) watch.Place {
	if p.Items || p.Void || p.After == (events.Cursor{}) {
		p.After = events.Cursor{Epoch: "xxxxxxxx", Seq: 999_999}
	}
	return watch.Place{After: p.After}
}

// otherViews is what a client has seen that has seen the topics otherwise than it would now.
const otherViews = "other"

// resume puts the places of an id into the follows that the URL names. The id must have as many
// parts. If the id has other names, or the client saw another view, all of them start over.
func resume(follows []watch.Follow, id string) error {
	if len(id) > maxIDBytes {
		return badID("it has %d bytes, at most %d are allowed", len(id), maxIDBytes)
	}
	text, hash, hashed := cutLast(id, "~")
	parts := strings.Split(text, ",")
	if len(parts) != len(follows) || !hashed && (len(follows) > 1 || follows[0].Topic.IsPattern()) {
		return badID("it does not fit the topics in the URL")
	}
	same := hash == listHash(follows)
	if !hashed {
		same = follows[0].ViewID == events.WholeView
	}
	for i := range follows {
		err := readPart(&follows[i], parts[i])
		if err != nil && same {
			return err
		}
		if !same {
			follows[i].ViewID = otherViews
		}
	}
	return nil
}

// readPart reads one part of an id, as partOf writes it.
func readPart(follow *watch.Follow, part string) (err error) {
	if !follow.Topic.IsPattern() {
		follow.Place, err = parsePlace(part)
		return err
	}
	texts := strings.Split(part, "!")
	if texts[0] != "" {
		if follow.Place, err = parsePlace(texts[0]); err != nil || !follow.Items && !follow.Void || follow.Next != "" {
			return badID("a pattern cannot have this place")
		}
	}
	base, _ := follow.Topic.Split()
	follow.Below = map[events.Topic]watch.Place{}
	for _, text := range texts[1:] {
		name, place, _ := strings.Cut(text, "=")
		if name = string(base) + "/" + name; strings.HasSuffix(name, "/") {
			name = string(base)
		}
		topic, err := events.ParseTopic(name)
		if err == nil && !follow.Topic.Matches(topic) {
			err = fmt.Errorf("%s is not below %s", topic, follow.Topic)
		}
		if err != nil {
			return badID("%v", err)
		}
		at, err := parsePlace(place)
		if err != nil {
			return err
		}
		if at.Void {
			return badID("a topic below a pattern cannot be void alone")
		}
		follow.Below[topic] = at
	}
	return nil
}

func parsePlace(text string) (watch.Place, error) {
	switch text {
	case void:
		return watch.Place{Void: true}, nil
	case itemsFirst:
		return watch.Place{Items: true}, nil
	}
	if strings.Contains(text, "~") {
		if _, err := events.ParseBookmark(text); err != nil {
			return watch.Place{}, badID("%v", err)
		}
		return watch.Place{Items: true, Next: text}, nil
	}
	cursor, err := events.ParseCursor(text)
	if err != nil {
		return watch.Place{}, badID("%v", err)
	}
	return watch.Place{After: cursor}, nil
}

// cutLast cuts at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

func badID(format string, args ...any) error {
	return &events.Error{Code: events.CodeBadCursor, Message: "Last-Event-ID: " + fmt.Sprintf(format, args...)}
}
