// Package jars is the only place that knows the files of Amazon's DynamoDB Local, and where they come
// from: Maven Central, pinned by their SHA-256.
package jars

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // for the pinned list
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// Version is DynamoDB Local's.
	Version = "3.3.1"

	mainClass    = "software.amazon.dynamodb.services.local.main.ServerRunner"
	mavenCentral = "https://repo1.maven.org/maven2"
	downloads    = 4 // at a time
	fetchTimeout = 5 * time.Minute
)

// Fetch sees to it that every jar is in dir with its right content, and gives their file names. What
// is there already is not downloaded again. MAVEN_MIRROR in the environment names another repository
// with the layout of Maven Central.
func Fetch(ctx context.Context, dir string) ([]string, error) {
	mirror := cmp.Or(os.Getenv("MAVEN_MIRROR"), mavenCentral)
	return fetch(ctx, &http.Client{Timeout: fetchTimeout}, mirror, dir, pinned())
}

// Java finds the program java, in JAVA_HOME first, as Java's own tools do. It must be of version 17 or
// later, which is not looked at.
func Java() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("DynamoDB Local needs Java 17 or later: %w", err)
	}
	return java, nil
}

// Program gives what java starts DynamoDB Local with, after all jars on the class path: a source
// file in dir, which has it listen on 127.0.0.1. A Java without a compiler gets the class of
// DynamoDB Local's own, which listens on all interfaces.
func Program(ctx context.Context, java, dir string) (string, error) {
	modules, err := exec.CommandContext(ctx, java, "--list-modules").Output()
	if err != nil {
		return "", fmt.Errorf("%s --list-modules: %w", java, err)
	}
	if !bytes.Contains(modules, []byte("jdk.compiler@")) {
		return mainClass, nil
	}
	file := filepath.Join(dir, "Loopback.java")
	return file, os.WriteFile(file, loopback, 0o644)
}

//go:embed Loopback.java
var loopback []byte

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

// fetch is Fetch from a mirror, of the jars given, in their order.
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
