// Compare finds what the contracts in events break of those last released: what a client of the release
// cannot send any more, or would get and not expect.
//
//	go run ./localstack/contracts/compare -tools .build/compare
//
// It fails if there is anything and the protocol's version is the same. Four look at it:
//
//   - oasdiff, at the routes, parameters, answers and security in openapi.yaml;
//   - @asyncapi/diff, at the servers, messages and operations in asyncapi.yaml;
//   - this package, at what is around messages and bodies: addresses, names, statuses, headers, how parameters
//     are written, what a client does about an error. All of that has to stay;
//   - this package, at what is in messages and bodies. Whatever the release took has to be taken: a request
//     may only get wider. Whatever is sent has to be as the release said: an answer may only get narrower. It
//     may get new members, and what is marked x-may-grow in the release may get new values. A member or a
//     value with a name has to stay. Where it cannot know, as with a pattern, a change counts.
//
// The tools are installed by make lint. Without Node the second is left out, unless CI is set.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
)

func main() {
	released := flag.String("released", "localstack/contracts/released", "the `folder` with the contracts as released")
	present := flag.String("present", "events", "the `folder` with the present contracts")
	tools := flag.String("tools", ".build/compare", "the `folder` that has oasdiff and @asyncapi/diff")
	flag.Parse()
	if err := run(*released, *present, *tools); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(released, present, tools string) error {
	was, err := readContracts(released)
	if err != nil {
		return err
	}
	is, err := readContracts(present)
	if err != nil {
		return err
	}
	return verdict(os.Stderr, was, is, judges(tools))
}

// verdict tells what judges find, and fails if that may not be.
func verdict(out io.Writer, was, is *contracts, judges []judge) error {
	found, err := breaking(was, is, judges)
	if err != nil || len(found) == 0 {
		return err
	}
	fmt.Fprintf(out, "Breaks clients of version %s:\n  %s\n", was.version(), strings.Join(found, "\n  "))
	if was.version() != is.version() {
		fmt.Fprintf(out, "The protocol has the new version %s, so that may be.\n", is.version())
		return nil
	}
	return errors.New("the contracts break what was released: undo that, or give the protocol a new version (events.Subprotocol)")
}

// judge is somebody who compares two versions.
type judge func(was, is *contracts) ([]string, error)

// judges are all who compare.
func judges(tools string) []judge {
	return []judge{schemas, places, oasdiff(tools), asyncAPIDiff(tools)}
}

// breaking is what any judge finds.
func breaking(was, is *contracts, judges []judge) (all []string, err error) {
	for _, j := range judges {
		found, err := j(was, is)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// schemas compares what is exchanged.
func schemas(was, is *contracts) (found []string, err error) {
	before, now, differs := was.exchanged(), is.exchanged(), changed(was, is)
	for _, side := range []struct {
		before, now map[string]node
		asked       bool
	}{{before.asked, now.asked, true}, {before.answered, now.answered, false}} {
		for name, old := range side.before {
			switch of, has := side.now[name]; {
			case !has:
				found = append(found, name+" is gone")
			case !reflect.DeepEqual(old.schema, of.schema) || refersTo(old.schema, differs):
				found = append(found, compare(old, of, side.asked, name)...)
			}
		}
	}
	return found, nil
}
