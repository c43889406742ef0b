// Command tally says how many messages of all tests kept to the contracts in events. It fails if no test
// has seen a kind of message that the contracts name.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/contract"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run adds up what tests left in a folder.
func run(folder string) error {
	kept, err := contract.Left(folder)
	if err != nil {
		return err
	}
	c, err := contract.New()
	if err != nil {
		return err
	}
	sums, kinds := map[string]int{}, map[string]int{}
	var missing []string
	for _, name := range c.Names() {
		sort, _, _ := strings.Cut(name, " ")
		sums[sort] += kept[name]
		kinds[sort]++
		if kept[name] == 0 {
			missing = append(missing, name)
		}
	}
	var said []string
	for _, sort := range slices.Sorted(maps.Keys(sums)) {
		said = append(said, fmt.Sprintf("%d %s of %d kinds", sums[sort], plurals[sort], kinds[sort]))
	}
	fmt.Printf("Kept to the contracts in events: %s\n", strings.Join(said, ", "))
	if missing != nil {
		return fmt.Errorf("the contracts name what no test has seen: %s", strings.Join(missing, ", "))
	}
	return nil
}

// plurals are what people call several messages of a sort.
var plurals = map[string]string{"answer": "answers over HTTP", "body": "bodies of requests over HTTP", "delivery": "messages to webhooks", "frame": "frames", "request": "frames of clients"}
