package build

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// counter tells how many packages are compiled while go build -v names them. It tells
// nothing if none must be.
type counter struct {
	out         io.Writer
	rewrite     bool            // out is a terminal, where a line can be written again
	pending     map[string]bool // what go build may name, by import path; true if it counts
	total, done int             // of those that count
}

// stale gives the packages that must be compiled for others, and the others. The others
// do not count: go list cannot tell whether they are compiled and only not linked.
// Nothing is stale if go list fails, as go build then says what is wrong.
func stale(ctx context.Context, root string, target Target, packages []string) map[string]bool {
	const format = `{{if .Stale}}{{.ImportPath}} {{.Name}}{{end}}`
	out, err := goCommand(ctx, root, target, "list", append([]string{"-deps", "-f", format}, packages...)).Output()
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		path, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[path] = name != "main"
	}
	return found
}

// filter reads what go build writes, counts the packages in it, and gives the other lines.
func (c *counter) filter(r io.Reader) (others []string) {
	for _, counts := range c.pending {
		if counts {
			c.total++
		}
	}
	c.tell()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		counts, named := c.pending[lines.Text()]
		switch {
		case counts:
			c.done++
			c.tell()
		case !named:
			others = append(others, lines.Text())
		}
	}
	if c.total > 0 && c.rewrite {
		fmt.Fprintln(c.out)
	}
	return others
}

// plainStep is how many packages there are from line to line where none is rewritten.
const plainStep = 100

func (c *counter) tell() {
	switch text := fmt.Sprintf("compiled %d of %d packages", c.done, c.total); {
	case c.total == 0:
	case c.rewrite:
		fmt.Fprint(c.out, "\r", text)
	case c.done%plainStep == 0 || c.done == c.total:
		fmt.Fprintln(c.out, text)
	}
}

// terminal tells whether lines of out can be rewritten.
func terminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
