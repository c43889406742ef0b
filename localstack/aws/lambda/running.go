package lambda

// Running is an invocation that a process has got.
type Running struct {
	proc *process
	inv  *invocation
}

// Running finds what the process with these credentials runs; one of several, if it runs several
// at once. It is false if there is no such process, or it runs nothing.
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
		if proc.accessKey != accessKey {
			continue
		}
		for _, l := range proc.lanes {
			if l.state == running {
				return Running{proc, l.current}, true
			}
		}
	}
	return Running{}, false
}

// Payload is what the function was given. It must not be changed.
func (r Running) Payload() []byte { return r.inv.payload }

// Kill ends the process with SIGKILL. It is false if the invocation has ended.
func (r Running) Kill() bool {
	return r.while(func(*pool, *lane) { r.proc.kill() })
}

// Abandon tells whoever waits for the invocation that it has timed out. The process goes
// on with it, and nobody learns its answer. It is false if the invocation has ended. To
// abandon one again does nothing.
func (r Running) Abandon() bool {
	return r.while((*pool).abandonLocked)
}

// Runs tells whether the process still works on the invocation.
func (r Running) Runs() bool { return r.while(func(*pool, *lane) {}) }

// while does something while the process runs the invocation. It is false if the process
// does not.
func (r Running) while(do func(*pool, *lane)) bool {
	p := r.proc.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	l := r.proc.running(r.inv)
	if l == nil {
		return false
	}
	do(p, l)
	return true
}
