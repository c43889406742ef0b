package main

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the pinned list
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	mavenCentral = "https://repo1.maven.org/maven2"
	version      = "3.3.1"
	downloads    = 4 // at a time
)

// jarList is DynamoDB Local with everything it needs at run time, one
// "sha256 path" a line. Its native SQLite is inside the main jar.
//
//go:embed jars.txt
var jarList string

// jar is one pinned file of a Maven repository.
type jar struct{ sum, path string }

func pinned() []jar {
	var jars []jar
	for line := range strings.Lines(jarList) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		jars = append(jars, jar{sum, name})
	}
	return jars
}

// fetch sees to it that every jar is in dir with its right content, and gives
// their file names in order. What is there already is not downloaded again.
func fetch(ctx context.Context, client *http.Client, mirror, dir string, jars []jar) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	files := make([]string, len(jars))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(downloads)
	for i, j := range jars {
		files[i] = filepath.Join(dir, path.Base(j.path))
		group.Go(func() error {
			if have, err := os.ReadFile(files[i]); err == nil && j.matches(have) {
				return nil
			}
			if err := j.download(ctx, client, mirror, files[i]); err != nil {
				return fmt.Errorf("fetch %s: %w", j.path, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}

func (j jar) matches(content []byte) bool {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]) == j.sum
}

// download writes the jar under its name only once it is whole and right.
func (j jar) download(ctx context.Context, client *http.Client, mirror, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(mirror, "/")+"/"+j.path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", request.URL, response.Status)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if !j.matches(content) {
		return fmt.Errorf("%s sent %d bytes whose SHA-256 is not the pinned one", request.URL, len(content))
	}
	if err := os.WriteFile(file+".part", content, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}
