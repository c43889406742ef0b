package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// children lists the processes whose parent is pid.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var found []int
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (command) state ppid …; the command may hold spaces.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if parent, _ := strconv.Atoi(fields[1]); parent == pid {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, child)
		}
	}
	return found
}
