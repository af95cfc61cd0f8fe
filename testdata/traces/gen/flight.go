//go:build go1.25

package main

import (
	"context"
	"io"
	"runtime/trace"
	"strconv"
	"time"
)

func init() {
	workloads["flight-recorder"] = workload{program: "flight.go", procs: 2, prepare: prepareFlight, record: recordFlight}
}

// recordFlight keeps the last second or more and writes it as soon as the work
// is done, as a service does when it saw a slow request.
func recordFlight(w io.Writer, run func()) error {
	fr := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: time.Second})
	if err := fr.Start(); err != nil {
		return err
	}
	defer fr.Stop()
	run()
	_, err := fr.WriteTo(w)
	return err
}

// prepareFlight serves longer than the recorder keeps: the first requests are lost.
func prepareFlight(t *truth) func() {
	const requests = 240
	t.plant("tail-latency", "main.serveSlowRequest40ms", map[string]any{"request": requests, "ns": int(40 * time.Millisecond)})
	return func() {
		times := &durations{}
		for i := 0; i < requests; i++ {
			time.Sleep(10 * time.Millisecond)
			start := time.Now()
			serveRequest(i)
			times.add(time.Since(start))
		}
		start := time.Now()
		serveSlowRequest40ms(requests)
		t.Measured["requests_begun"] = requests + 1
		t.Measured["last_request"] = requests
		t.Measured["request"] = times
		t.Measured["slow_request_ns"] = int64(time.Since(start))
	}
}

//go:noinline
func serveRequest(id int) {
	ctx, task := trace.NewTask(context.Background(), "request")
	defer task.End()
	trace.Log(ctx, "id", strconv.Itoa(id))
	compute(200 * time.Microsecond)
}

//go:noinline
func serveSlowRequest40ms(id int) {
	ctx, task := trace.NewTask(context.Background(), "request")
	defer task.End()
	trace.Log(ctx, "id", strconv.Itoa(id))
	compute(40 * time.Millisecond)
}
