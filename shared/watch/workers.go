package watch

import "sync"

// workers run functions, a bounded number of them at once. A goroutine runs one function after
// another, so that its stack, which grows while it posts, grows once and not for every post.
type workers struct {
	tasks   chan func()
	started int
	running sync.WaitGroup
}

// newWorkers makes workers that run up to n functions at once. Callers must wait for them.
func newWorkers(n int) *workers { return &workers{tasks: make(chan func(), n)} }

// do lets a function run, as soon as there is a worker for it. It is not to be called from several
// goroutines.
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

// wait returns once all functions have. None may follow.
func (w *workers) wait() {
	close(w.tasks)
	w.running.Wait()
}
