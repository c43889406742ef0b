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
// A process is running until its answer has come to its end. [Service.Invoke] collects the
// answer, and [Service.InvokeStream] passes its bytes on as they come. Nobody tells a
// function that the reader of its answer has left: it goes on until it ends or its time is
// over, as on AWS.
//
// Each process has a Runtime API listener of its own on the loopback interface:
// AWS_LAMBDA_RUNTIME_API is documented as a host and a port, so not every runtime
// takes a path in it, and whoever calls is known without further marks.
//
// Different from AWS: beyond [Options].MaxProcesses an invocation waits for a
// free process within its context instead of being throttled at once, because a
// laptop has fewer cores than AWS has environments; and a function whose invocations are held
// may have several of them in one process then. Processes are not frozen
// between invocations, MemoryMB is told to them and not enforced, and they share
// the host's file system and processors, of which [Options].RequestNice keeps most for
// what streams feed. Asynchronous invocation is not offered.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambda
