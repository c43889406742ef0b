package lambda

// Running is an invocation that a process has got.
type Running struct {
	proc *process
	inv  *invocation
}

// Running finds what the process with these credentials runs. It is false if there is no
// such process, or it runs nothing.
func (s *Service) Running(accessKey string) (Running, bool) {
	for _, p := range s.all() {
		if r, ok := p.runningWith(accessKey); ok {
			return r, true
		}
	}
	return Running{}, false
}

func (p *pool) runningWith(accessKey string) (Running, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for proc := range p.processes {
		if proc.accessKey == accessKey && proc.state == running {
			return Running{proc, proc.current}, true
		}
	}
	return Running{}, false
}

// Payload is what the function was given. It must not be changed.
func (r Running) Payload() []byte { return r.inv.payload }

// Kill ends the process with SIGKILL. It is false if the invocation has ended.
func (r Running) Kill() bool {
	return r.while(func(p *pool) { r.proc.kill() })
}

// Abandon tells whoever waits for the invocation that it has timed out. The process goes
// on with it, and nobody learns its answer. It is false if the invocation has ended. To
// abandon one again does nothing.
func (r Running) Abandon() bool {
	return r.while(func(p *pool) { p.abandonLocked(r.proc) })
}

// Runs tells whether the process still works on the invocation.
func (r Running) Runs() bool { return r.while(func(*pool) {}) }

// while does something while the process runs the invocation. It is false if the process
// does not.
func (r Running) while(do func(*pool)) bool {
	p := r.proc.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.proc.state != running || r.proc.current != r.inv {
		return false
	}
	do(p)
	return true
}
