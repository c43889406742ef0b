//go:build !linux

package leash

// EndWithParent does nothing: only Linux can tie a process's life to its parent's.
func EndWithParent() error { return nil }
