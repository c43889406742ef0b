package watch

import "sync"

// workers run functions, a bounded number of them at once. A goroutine runs one function after
// another, because its stack grows during a post. Growing it once is cheaper than for every post.
type workers struct {
	tasks   chan func()
	started int
	running sync.WaitGroup
}

// newWorkers makes workers that run up to n functions at once. Callers must wait for them.
func newWorkers(n int) *workers { return &workers{tasks: make(chan func(), n)} }

// do runs a function as soon as a worker is free. It must not be called from several goroutines at
// once.
func (w *workers) do(task func()) {
	if w.started == cap(w.tasks) {
		w.tasks <- task
		return
	}
	w.started++
	w.running.Go(func() {
		task()
		for next := range w.tasks {
			next()
		}
	})
}

// wait returns when all functions have returned. None may be added after it.
func (w *workers) wait() {
	close(w.tasks)
	w.running.Wait()
}
