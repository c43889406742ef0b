package events

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// PresenceTopic is the reserved topic below which the service tells who is present. The topic
// @presence/rooms/1 has one item for each member of rooms/1. A member is the subject of a token with
// at least one subscription to rooms/1 that asks for presence, and its item has the id that
// [SubjectSegment] writes, and the data of a [Member]. With more than [MaxMembers] members there is
// the item [MembersCount] instead.
const PresenceTopic Topic = "@presence"

// MembersCount is the id of the item that says how many members there are, as [MemberCount]. While
// it is there and its time is not over, members have no items, or items that nobody renews. No
// member has this id.
const MembersCount = "@count"

const (
	// PresenceLease is how long a member is present after its connection has last pinged about the
	// topic. A ping renews it from its half on. A client with presence pings three times in it, so that one
	// ping may be lost.
	PresenceLease = 10 * time.Minute
	// MaxMembers is how many members of a topic have an item each.
	MaxMembers = 100
	// MaxMemberNameBytes bounds the name of a member.
	MaxMemberNameBytes = 128
	// MaxPresenceBytes bounds the name of a topic that may be subscribed to with presence, so that
	// its presence topic has no more than [MaxTopicBytes].
	MaxPresenceBytes = MaxTopicBytes - len(PresenceTopic+"/")
)

// Presence is the topic that says who is present in t.
func (t Topic) Presence() Topic { return PresenceTopic + "/" + t }

// PresenceRequest asks subscribe to be a member of the topic for as long as the subscription lasts.
type PresenceRequest struct {
	// Name is what the client calls itself: 1 to [MaxMemberNameBytes] bytes of UTF-8 without control
	// characters. Nobody verifies it, and several members may have the same.
	Name string `json:"name"`
}

// Presence is the part of [Subscribed] that answers a request for presence.
type Presence struct {
	// LeaseMs is for how long the client's subject is present without a ping, in milliseconds. A ping
	// whose cursors name the topic renews it.
	LeaseMs int64 `json:"leaseMs"`
}

// Member is the data of the item that stands for a member.
type Member struct {
	Name  string `json:"name"`  // what the member calls itself
	Since Time   `json:"since"` // when it came
	// Until is when the member is not present any more, unless its presence is renewed. Watchers drop it
	// then by themselves, because the item may stay for days.
	Until Time `json:"until"`
}

// MemberCount is the data of the item [MembersCount].
type MemberCount struct {
	Count int `json:"count"` // how many members there are
	// Until is when the count is not true any more, unless it is renewed.
	Until Time `json:"until"`
}

// CheckMemberName reports what is wrong with the name of a member. The error is a sentence that
// does not repeat the name.
func CheckMemberName(name string) error {
	switch {
	case name == "":
		return errors.New("presence.name is empty")
	case len(name) > MaxMemberNameBytes:
		return fmt.Errorf("presence.name has %d bytes, at most %d are allowed", len(name), MaxMemberNameBytes)
	case !utf8.ValidString(name):
		return errors.New("presence.name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("presence.name has a control character")
	}
	return nil
}
