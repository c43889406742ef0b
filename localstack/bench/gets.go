package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// getTime is how long each measurement sends GETs.
const getTime = 3 * time.Second

// topicURL is the URL of a topic over HTTP.
func (s *stackProcess) topicURL(topic string) string {
	return "http://" + s.addr + "/live/topics/" + topic
}

// gets prints how many GETs a second are answered over few and over many connections. It measures
// answers with the items, and answers that nothing has changed. Any other answer is an error.
func gets(ctx context.Context, dir string) error {
	return withRoomy(ctx, dir, "gets", func(s *stackProcess) error { return s.gets(ctx) })
}

func (s *stackProcess) gets(ctx context.Context) error {
	if err := s.writeTo(ctx, 10); err != nil {
		return err
	}
	first, err := get(ctx, http.DefaultClient, s.topicURL(topic), http.Header{}, http.StatusOK)
	if err != nil {
		return err
	}
	fmt.Printf("\nplain GETs of 10 items of 256 bytes (load average %s)\n", load())
	for _, kind := range []struct {
		name   string
		status int
		header http.Header
	}{
		{"200, items", http.StatusOK, http.Header{}},
		{"304, unchanged", http.StatusNotModified, http.Header{"If-None-Match": first.header["Etag"]}},
	} {
		for _, connections := range []int{1, 16} {
			if err := s.measureGets(ctx, kind.name, connections, kind.header, kind.status); err != nil {
				return err
			}
		}
	}
	fmt.Printf("  memory of all processes         %6.0f MB (%s)\n", s.memory().total(), s.memory())
	return nil
}

// measureGets prints how many GETs a second are answered, and how long they take.
func (s *stackProcess) measureGets(ctx context.Context, name string, connections int, header http.Header, status int) error {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer c.CloseIdleConnections()
	if _, err := s.sendGets(ctx, c, connections, time.Second, header, status); err != nil { // warms up
		return err
	}
	began := time.Now()
	took, err := s.sendGets(ctx, c, connections, getTime, header, status)
	if err != nil {
		return err
	}
	fmt.Printf("  %-15s %2d connections   %6.0f GETs/s   %s\n", name, connections, float64(len(took))/time.Since(began).Seconds(), took)
	return nil
}

// sendGets sends GETs for a while over some connections. Each connection sends its next GET when
// the one before is answered.
func (s *stackProcess) sendGets(ctx context.Context, c *http.Client, connections int, d time.Duration, header http.Header, status int) (latencies, error) {
	took := make([]latencies, connections)
	senders, ctx := errgroup.WithContext(ctx)
	end := time.Now().Add(d)
	for i := range took {
		senders.Go(func() error {
			for began := time.Now(); began.Before(end); began = time.Now() {
				if _, err := get(ctx, c, s.topicURL(topic), header, status); err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(began))
			}
			return nil
		})
	}
	err := senders.Wait()
	return slices.Concat(took...), err
}

// resumeByGet prints how long a client takes to read the changes that it missed, answer by answer.
// A missing or misplaced change is an error.
func resumeByGet(ctx context.Context, dir string) error {
	return withRoomy(ctx, dir, "resume", func(s *stackProcess) error { return s.resumeByGet(ctx) })
}

func (s *stackProcess) resumeByGet(ctx context.Context) error {
	fmt.Printf("\nresume of missed changes by GET, items of 256 bytes (median of %d, load average %s)\n", resumes, load())
	for _, missed := range []int{10, 1_000, 10_000} {
		if err := s.writeTo(ctx, missed); err != nil {
			return err
		}
		var times latencies
		var read reading
		for range resumes {
			began := time.Now()
			var err error
			if read, err = s.readAll(ctx); err != nil {
				return err
			}
			if read.last != int64(missed) {
				return fmt.Errorf("read %d changes of %d", read.last, missed)
			}
			times = append(times, time.Since(began))
		}
		fmt.Printf("  %6d changes                  %8.1f ms   answers: %d, %.0f KB\n", missed, ms(times.quantile(0.5)), read.answers, float64(read.bytes)/1000)
	}
	fmt.Printf("  memory of all processes         %6.0f MB (%s)\n", s.memory().total(), s.memory())
	return nil
}

// reading is the result of reading changes.
type reading struct {
	last           int64 // all changes up to this seq were read
	answers, bytes int
}

// readAll reads all changes of the topic.
func (s *stackProcess) readAll(ctx context.Context) (r reading, err error) {
	after := ":0"
	for more := true; more; {
		a, err := get(ctx, http.DefaultClient, s.topicURL(topic)+"?after="+after, http.Header{}, http.StatusOK)
		if err != nil {
			return r, err
		}
		r.answers, r.bytes = r.answers+1, r.bytes+len(a.body)
		var told events.TopicChanges
		if err := json.Unmarshal(a.body, &told); err != nil {
			return r, err
		}
		for _, change := range told.Changes {
			if change.Seq != r.last+1 {
				return r, fmt.Errorf("change %d comes after change %d", change.Seq, r.last)
			}
			r.last = change.Seq
		}
		after, more = told.Cursor, told.More
	}
	return r, nil
}

// got is an answer that was read completely.
type got struct {
	header http.Header
	body   []byte
}

// get gives the answer to a GET. Any status but the wanted one is an error.
func get(ctx context.Context, c *http.Client, url string, header http.Header, status int) (got, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return got{}, err
	}
	request.Header = header.Clone()
	response, err := c.Do(request)
	if err != nil {
		return got{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != status {
		err = fmt.Errorf("GET got %s, want %d: %.300s", response.Status, status, body)
	}
	return got{response.Header, body}, err
}
