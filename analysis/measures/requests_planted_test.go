package measures

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// A plantedCause is what a program makes the requests of a type wait for, or do. The cause is
// what a request is at, with " ← " and what the goroutine does for which it waits.
type plantedCause struct {
	trace, requests, cause string
	least                  int64 // ns of it that each request takes by its program
}

const sleepsOrWaits = `^asleep at main\.%[1]s:|^blocked in sync\.Mutex at main\.%[1]s:\d+ ← asleep at main\.(sleepsLocked|waitsForLock):`

func plantedCauses(t *testing.T) (all []plantedCause) {
	own := func(trace, requests, cause string, least int64) {
		all = append(all, plantedCause{filepath.Join(corpus.Root(t), "testdata", trace), requests, cause, least})
	}
	for _, v := range []string{"http-go122", "http-go124", "http-go126", "http-go127", "http2-go122", "http2-go124", "http2-go126", "http2-go127"} {
		kind, trace := "HTTP ", "requests/"+v+".trace"
		if strings.HasPrefix(v, "http2") {
			kind = "HTTP2 "
		} else {
			own(trace, kind+"main.readsBody", `^waiting for the network at main\.readsBody:`, 1e6)
			own(trace, kind+"main.asksBackend", `^blocked in select at main\.get:\d+ → net/http\.\(\*Client\)\.Get ← `, 1e6)
		}
		own(trace, kind+"main.sleepsLocked", fmt.Sprintf(sleepsOrWaits, "sleepsLocked"), 4e6)
		own(trace, kind+"main.waitsForLock", fmt.Sprintf(sleepsOrWaits, "waitsForLock"), 5e4)
	}
	own("requests/grpc.trace", "gRPC main._Shop_Order_Handler", `^asleep at main\._Shop_Order_Handler:63|^blocked in sync\.Mutex at main\._Shop_Order_Handler:62 ← asleep at main\._Shop_Order_Handler:63`, 1e6)
	own("requests/sql.trace", "SQL database/sql.(*DB).ExecContext", `^asleep at main\.slowConn\.ExecContext:|^blocked in select at main\.querySQL\.func1:\d+ → database/sql\.\(\*DB\)\.ExecContext ← asleep at main\.slowConn\.ExecContext:`, 1e6)
	own("requests/jobs.trace", "goroutine main.process", `^asleep at main\.process:|^blocked in .* at main\.`, 1e6)
	own("traces/annotations.trace", "task request", `^blocked in sync\.WaitGroup at main\.handleRequest:\d+ ← asleep at main\.(runQuery|query20ms):`, 1e6)
	own("traces/annotations.trace", "task query", `^asleep at main\.(runQuery|query20ms):`, 1e6)
	own("traces/annotations.trace", "region validate", `^running`, 9e4)

	for _, c := range []plantedCause{
		{"user/tasks-regions", "task order", `^asleep at main\.tasksRegions\.func3`, 3e6},
		{"user/tasks-regions", "task payment", `^asleep at main\.tasksRegions\.func4`, 2e6},
		{"user/tasks-regions", "task shipping", `^asleep at main\.tasksRegions\.func5`, 4e6},
		{"user/tasks-regions", "region reserve", `^asleep at main\.tasksRegions\.func3`, 3e6},
		{"user/tasks-regions", "region reserve-item", `^asleep at main\.tasksRegions\.func3`, 5e5},
		{"user/tasks-regions", "region charge", `^asleep at main\.tasksRegions\.func4`, 2e6},
		{"user/tasks-regions", "region pack", `^asleep at main\.tasksRegions\.func5`, 4e6},
		{"user/tasks-regions", "region validate", `^running`, 1e5},
		{"io/net-conn-churn", "HTTP main.quickBackend", `^asleep at main\.quickBackend:`, 1e6},
		{"io/http-mix", "HTTP (handlers that left no stack)", `^running`, 9e4},
		{"io/net-echo", "entry main.echoConn", `^waiting for the network at main\.echoConn:\d+ → net\.\(\*conn\)\.Read`, 1e9},
		{"io/net-deadline", "entry main.deadlineReader", `^waiting for the network at main\.deadlineReader:\d+ → net\.\(\*conn\)\.Read`, 1e9},
		{"flight/flightrec-slow-request", "task request", `^running|^blocked in sync\.Mutex at main\.flightRequest\.func1:\d+ ← (running|asleep at main\.lockHog:)`, 1e4},
	} {
		for _, path := range corpus.More(t, c.trace+".trace") {
			c.trace = path
			all = append(all, c)
		}
	}
	return all
}

// causesOf are the parts of the path of each request of a trace, by kind and name of the
// request: what it was at, and for what.
func causesOf(t *testing.T, path string) map[string][]map[string]int64 {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a := SelectRequests(RequestChoice{Slowest: 5000})
	opt := analysis.Options{Options: parse.Options{Requests: []string{"main.echoConn", "main.deadlineReader"}}}
	rep, err := analysis.Analyze(context.Background(), f, path, opt, []*analysis.Analyzer{a})
	if err != nil {
		t.Fatal(err)
	}
	slowest, paths := analysistest.ResultTable(t, rep, "requests.slowest"), analysistest.ResultTable(t, rep, "requests.paths")
	parts := make(map[string]map[string]int64)
	for i := range paths.Rows {
		id, cause := paths.Cell(i, "id").(string), paths.Cell(i, "what").(string)
		if while := paths.Cell(i, "while"); while != nil {
			cause = while.(string) + " ← " + cause
		}
		if strings.HasPrefix(cause, "running") {
			cause = "running"
		}
		if parts[id] == nil {
			parts[id] = make(map[string]int64)
		}
		parts[id][cause] += paths.Cell(i, "length").(int64)
	}
	out := make(map[string][]map[string]int64)
	for i := range slowest.Rows {
		name := slowest.Cell(i, "kind").(string) + " " + slowest.Cell(i, "requests").(string)
		out[name] = append(out[name], parts[slowest.Cell(i, "id").(string)])
	}
	return out
}

// TestPlantedRequests: for each request that a program delays on purpose the path says by
// what, and where: its largest part is that, or holds all of it where by chance something
// else took longer.
func TestPlantedRequests(t *testing.T) {
	causes := make(map[string]map[string][]map[string]int64)
	n, right := 0, 0
	t.Logf("%-24s %-36s %8s %8s %8s %8s", "trace", "requests", "all", "largest", "on path", "missing")
	for _, c := range plantedCauses(t) {
		if causes[c.trace] == nil {
			causes[c.trace] = causesOf(t, c.trace)
		}
		re := regexp.MustCompile(c.cause)
		var largest, onPath, missing int
		all := causes[c.trace][c.requests]
		for _, parts := range all {
			most, planted := "", int64(0)
			for cause, ns := range parts {
				if ns > parts[most] || ns == parts[most] && cause < most {
					most = cause
				}
				if re.MatchString(cause) {
					planted += ns
				}
			}
			switch {
			case re.MatchString(most):
				largest++
			case planted >= c.least:
				onPath++
			default:
				missing++
				t.Logf("    %v", parts)
			}
		}
		t.Logf("%-24s %-36s %8d %8d %8d %8d", strings.TrimSuffix(filepath.Base(c.trace), ".trace"), c.requests, len(all), largest, onPath, missing)
		if len(all) == 0 {
			t.Errorf("%s has no %s", c.trace, c.requests)
		}
		n, right = n+len(all), right+largest+onPath
	}
	t.Logf("%d of %d are right", right, n)
	if 100*right < 99*n {
		t.Errorf("%d of %d requests are right", right, n)
	}
}
