package jars

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// mirror serves every path with the same content and counts the requests.
func mirror(t *testing.T, content string) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

func sum(content string) string {
	s := sha256.Sum256([]byte(content))
	return hex.EncodeToString(s[:])
}

func TestFetchDownloadsOnce(t *testing.T) {
	url, requests := mirror(t, "jar")
	dir := t.TempDir()
	jars := []jar{{sum("jar"), "a/a.jar"}, {sum("jar"), "b/b.jar"}}
	for range 2 {
		files, err := fetch(t.Context(), http.DefaultClient, url, dir, jars)
		if err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(files[1]); err != nil || string(content) != "jar" {
			t.Fatalf("%s holds %q, %v", files[1], content, err)
		}
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d downloads of two jars, fetched twice; want 2", n)
	}
}

func TestFetchRefusesAnotherContent(t *testing.T) {
	url, _ := mirror(t, "forged")
	dir := t.TempDir()
	_, err := fetch(t.Context(), http.DefaultClient, url, dir, []jar{{sum("jar"), "a/a.jar"}})
	if err == nil {
		t.Fatal("a jar with the wrong checksum was taken")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPinnedListIsWellFormed(t *testing.T) {
	names := map[string]bool{}
	for _, j := range pinned() {
		if len(j.sum) != 64 || !strings.HasSuffix(j.path, ".jar") {
			t.Errorf("malformed line: %+v", j)
		}
		if base := path.Base(j.path); names[base] {
			t.Errorf("two jars are called %s; one would overwrite the other", base)
		} else {
			names[base] = true
		}
	}
	if !names["DynamoDBLocal-"+Version+".jar"] {
		t.Errorf("DynamoDB Local %s is not in the list", Version)
	}
}

// TestProgram: a Java with a compiler runs our source file, which listens on loopback; one without runs the class.
func TestProgram(t *testing.T) {
	for modules, want := range map[string]string{"java.base@17\njdk.compiler@17": "Loopback.java", "java.base@17": mainClass} {
		dir := t.TempDir()
		java := filepath.Join(dir, "java")
		if err := os.WriteFile(java, []byte("#!/bin/sh\necho '"+modules+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		program, err := Program(t.Context(), java, dir)
		if err != nil || filepath.Base(program) != want {
			t.Errorf("with %q it is %s, %v", modules, program, err)
		}
	}
}
