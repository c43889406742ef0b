package lambda

import "syscall"

// setPriority lets a new process, all threads of it, yield as [Options].RequestNice says.
func (p *pool) setPriority(pid int) {
	p.mu.Lock()
	preferred := p.preferred
	p.mu.Unlock()
	if nice := p.service.options.RequestNice; nice != 0 && !preferred {
		_ = syscall.Setpriority(syscall.PRIO_PGRP, pid, nice) // or it stays as it is
	}
}
