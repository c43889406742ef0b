package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memory is what the stack's processes take, in megabytes of proportional set size:
// what processes share, such as one executable's pages, is counted once.
type memory struct {
	stack     float64
	functions []float64
}

func (m memory) total() float64 {
	sum := m.stack
	for _, f := range m.functions {
		sum += f
	}
	return sum
}

func (m memory) String() string {
	return fmt.Sprintf("%.0f MB the stack, %.0f MB %d function processes", m.stack, m.total()-m.stack, len(m.functions))
}

// memory reads /proc, which only Linux has; elsewhere all is 0.
func (s *stackProcess) memory() memory {
	m := memory{stack: proportional(s.cmd.Process.Pid)}
	for _, pid := range children(s.cmd.Process.Pid) {
		m.functions = append(m.functions, proportional(pid))
	}
	return m
}

// proportional reads a process's Pss.
func proportional(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "Pss:" {
			kilobytes, _ := strconv.ParseFloat(fields[1], 64)
			return kilobytes / 1000
		}
	}
	return 0
}

// cpuTime is the CPU time that the stack and its functions have taken so far, as far as they still
// run. It counts in steps of 10 ms.
func (s *stackProcess) cpuTime() time.Duration {
	pids := append(children(s.cmd.Process.Pid), s.cmd.Process.Pid)
	ticks := 0
	for _, pid := range pids {
		if fields := stat(fmt.Sprintf("/proc/%d/stat", pid)); fields != nil {
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			ticks += user + system
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// children lists the processes whose parent is pid.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var found []int
	for _, path := range stats {
		fields := stat(path)
		if fields == nil {
			continue // it has ended meanwhile
		}
		if parent, _ := strconv.Atoi(fields[1]); parent == pid {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, child)
		}
	}
	return found
}

// stat reads a process's stat file from its third field on: state, ppid, and so on; utime and stime
// are the 12th and 13th of these. The command before them may hold spaces.
//
// Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func stat(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}
