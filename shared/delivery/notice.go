package delivery

import (
	"time"

	"github.com/watchroute/watchroute/events"
)

// NoticeLife is how long a notice of a topic stays that nothing renews, such as that of a destination
// which nobody enables again.
const NoticeLife = 30 * 24 * time.Hour

// Notices is the reserved topic in which operators are told of a destination. An item is added when
// something goes wrong, and removed when it has passed, together with what the store knows of it.
func Notices(destination string) events.Topic {
	return events.DestinationsTopic + "/" + events.Topic(destination)
}

// Notice tells operators of a topic whose last attempt has failed. The id of the item is the topic.
func (s Standing) Notice() events.DestinationNotice {
	return events.DestinationNotice{
		State: events.DestinationRetrying, Cursor: s.After.String(),
		Failures: s.Failures, Since: events.Time(s.Since), RetryAt: events.Time(s.RetryAt),
		LastStatus: s.Last.Status, LastError: s.Last.Error,
	}
}

// Notice tells operators of a destination that gets nothing. The id of the item is
// events.WholeDestination.
func (r Reason) Notice() events.DestinationNotice {
	return events.DestinationNotice{State: events.DestinationDisabled, Reason: string(r)}
}
