// Package lambda is the only place that knows how Lambda runs functions: real
// processes over the Runtime API, one invocation at a time each, reused while warm.
//
// The life of a process, or of each lane of one that may run several invocations
// ([Function].PerProcess):
//
//	starting ──next──► idle ──Invoke──► running ──response──► finishing ──next──► idle
//	   │                │                  │                      │
//	   └────────────────┴───── exit, kill ─┴──────────────────────┴──► ended
//
// A process that asks for work takes the oldest waiting invocation and becomes
// idle only if there is none. An invocation takes the process that was used
// last, so that those that are not needed age and end; a new process starts only
// if more invocations wait than processes are on their way to ask, and they have
// waited for [Options].ReuseWait.
//
// A process is running until its answer has ended. [Service.Invoke] collects the answer, and
// [Service.InvokeStream] passes its bytes on as they come. A function does not learn that the
// reader of its answer has left. As on AWS, it goes on until it ends or its time is over.
//
// Each process has a Runtime API listener of its own on the loopback interface, which identifies
// the caller. AWS_LAMBDA_RUNTIME_API is documented as a host and a port, so not every runtime
// accepts a path in it.
//
// Different from AWS: beyond [Options].MaxProcesses an invocation waits for a free process within
// its context instead of being throttled at once, because a laptop has fewer cores than AWS has
// environments. A function whose invocations are held may then have several of them in one process.
// Processes are not frozen between invocations. MemoryMB is passed to them and not enforced. They
// share the host's file system and processors; [Options].RequestNice gives precedence to functions
// that streams feed. Asynchronous invocation is not offered.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambda
