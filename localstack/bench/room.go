package main

import (
	"fmt"
	"syscall"
)

// besidesSockets is how many files a stack may have open beside the sockets of its clients: its
// functions' connections and pipes.
const besidesSockets = 800

// crowdRoom is how large a crowd can be, and raises the limit of open files as far as this process
// may. The stack has the same limit.
func crowdRoom() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	wanted := uint64(crowdSize + besidesSockets)
	if limit.Cur < wanted {
		limit.Cur = min(limit.Max, wanted)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("raise the limit of open files to %d: %w", limit.Cur, err)
		}
	}
	if limit.Cur >= wanted {
		return crowdSize, nil
	}
	room := int(limit.Cur) - besidesSockets
	if room < crowdSize/2 {
		return 0, fmt.Errorf("a process may open %d files here, and %d watchers need %d: raise the hard limit (ulimit -Hn)", limit.Cur, crowdSize, wanted)
	}
	fmt.Printf("\nA process may open %d files here (ulimit -Hn), so that there are %d watchers and not %d.\n", limit.Cur, room, crowdSize)
	return room, nil
}
