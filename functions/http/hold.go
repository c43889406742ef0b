package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// endMargin is kept free at the end of what a request may take, to end its answer in order.
const endMargin = time.Second

// held bounds a request's context to the time that it may be held, by what was asked for, the
// time that the function has left, and the client's token. ErrTokenExpired means that the token
// has no time left: it is taken for a minute longer, but not waited with.
func held(ctx context.Context, viewer watch.Viewer, asked time.Duration) (context.Context, context.CancelFunc, error) {
	until := time.Now().Add(asked)
	if deadline, ok := ctx.Deadline(); ok {
		until = earlier(until, deadline.Add(-endMargin))
	}
	if !viewer.Expires.IsZero() {
		until = earlier(until, viewer.Expires.Add(-endMargin))
		if !time.Now().Before(until) {
			return nil, nil, watch.ErrTokenExpired
		}
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	return ctx, cancel, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// hold takes a hold for as long as the context lasts. release ends it.
func (h handler) hold(ctx context.Context, viewer watch.Viewer) (release func(), err error) {
	until, _ := ctx.Deadline()
	end, err := h.topics.Hold(ctx, viewer, until.Add(endMargin))
	if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endMargin)
		defer cancel()
		if err := end(ctx); err != nil {
			h.logger.Warn("hold not released", "err", err)
		}
	}, nil
}

// poll answers with what comes after a cursor, once something does; with 204 if nothing has
// come when the time is over.
func (h handler) poll(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	follower := h.topics.Follow(viewer, watch.Follow{Query: a.Query, Place: watch.Place{After: a.after[0]}, ViewID: a.viewID()})
	news, err := follower.Now(r.Context())
	if len(news) == 0 && err == nil {
		news, err = h.wait(r.Context(), viewer, follower, a.wait)
	}
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(a.wait/time.Second)))
	switch {
	case err != nil:
		h.refuse(w, r, err)
	case len(news) == 0:
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(cursorHeader, follower.Follows()[0].After.String())
		w.WriteHeader(http.StatusNoContent)
	default:
		h.tell(w, r, news[0].Missed)
	}
}

// cursorHeader says where the client stands if there is no body to say it.
const cursorHeader = "Watchroute-Cursor"

// wait holds the request until there is something new, or the time is over. Before it reports that
// nothing has come, it checks that the client may still know that.
func (h handler) wait(ctx context.Context, viewer watch.Viewer, follower *watch.Follower, asked time.Duration) ([]watch.News, error) {
	waiting, cancel, err := held(ctx, viewer, asked)
	if err != nil {
		return nil, err
	}
	defer cancel()
	release, err := h.hold(waiting, viewer)
	if err != nil {
		return nil, err
	}
	defer release()
	news, err := follower.Next(waiting)
	if len(news) == 0 && err == nil {
		err = follower.Check(ctx)
	}
	return news, err
}

// spread gives a time between one and two times the least, by chance, so that not all come again
// at once.
func spread(least time.Duration) time.Duration { return least + rand.N(least) }

// passes reports whether an error may be gone the next time.
func passes(err error) bool {
	wire, _ := watch.WireError(err)
	return wire.Code.Remedy() == events.RetryLater || errors.Is(err, context.DeadlineExceeded)
}
