package blocking

import (
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

// limited is a trace in which a goroutine waits n times in a limiter, for total ns in all,
// of which another one ends others.
func limited(t *testing.T, length int64, n int, total, others int64) *checktest.Trace {
	return checktest.Tell(t, length, func(s *checktest.Story) {
		w, cancels := s.Go("main.worker"), s.Go("main.cancel")
		each := total / int64(n)
		for i := range int64(n) {
			at := 1000 + i*((length-2000)/int64(n))
			by, stack := (*checktest.Actor)(nil), ""
			if i*each < others {
				by, stack = cancels, "main.cancel:9"
			}
			w.Wait(at, at+each, by, stack, "runtime.selectgo", "golang.org/x/time/rate.(*Limiter).wait", "golang.org/x/time/rate.(*Limiter).Wait", "main.do:21")
		}
	})
}

// windowLoop is a trace in which a goroutine waits 50 times in a library, which makes so many
// calls between, and was elsewhere so often before.
func windowLoop(t *testing.T, calls, elsewhere int64) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		w := s.Go("main.main")
		for i := range elsewhere {
			w.Call(1000+i*10_000, 2000+i*10_000, "golang.org/x/glfw._Cfunc_init", "main.open:7")
		}
		for i := range int64(50) {
			at := i*19*ms + ms
			w.Wait(at, at+16*ms, nil, "", "runtime.selectgo", "golang.org/x/glfw.(*driver).run", "golang.org/x/glfw.(*window).ShowAndRun", "main.show:9")
			if i < calls {
				w.Call(at+17*ms, at+18*ms, "golang.org/x/glfw._Cfunc_swap", "golang.org/x/glfw.(*driver).run", "golang.org/x/glfw.(*window).ShowAndRun", "main.show:9")
			}
		}
	})
}

// ticked is a trace in which goroutines take turns with ticks, each third of which is
// early by some time.
func ticked(t *testing.T, goroutines, ticks int, early int64) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		each := 1000 * ms / int64(ticks+1)
		var ws []*checktest.Actor
		for range goroutines {
			ws = append(ws, s.Go("main.worker"))
		}
		since := make([]int64, goroutines)
		for i := range ticks {
			k, at := i%goroutines, int64(i+1)*each-int64(i%3%2)*early
			ws[k].Wait(since[k]+1000+int64(k), at, nil, "", "runtime.chanrecv1")
			since[k] = at
		}
		for k, w := range ws {
			w.Block(since[k]+1000+int64(k), "runtime.chanrecv1")
		}
	})
}

// ownTicks is a trace in which goroutines have tickers of their own, of one period, which
// began at once.
func ownTicks(t *testing.T, goroutines int) *checktest.Trace {
	return checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
		s.Go("main.main") // runs to the end
		for k := range int64(goroutines) {
			w := s.Go("main.worker")
			for at := 4 * ms; at < 990*ms; at += 4 * ms {
				w.Wait(at-3*ms+k*200, at+k*200, nil, "", "runtime.chanrecv1")
			}
		}
	})
}

func TestRateLimiter(t *testing.T) {
	checktest.Run(t, rateLimiter, func(t *testing.T) {
		checktest.At(t, rateLimiter, "no limiter", func(int64) *checktest.Trace { return stage{workers: 1, senders: 1, sending: ms, waits: 1}.tell(t) }, checktest.Case{V: 0, Want: "n/a"})
		checktest.At(t, rateLimiter, "ms waiting", func(v int64) *checktest.Trace { return limited(t, 1000*ms, 20, v*ms, 0) },
			checktest.Case{V: 248, Want: "clear"}, checktest.Case{V: 252, Want: "note"}, checktest.Case{V: 496, Want: "note"}, checktest.Case{V: 504, Want: "warning"})
		checktest.At(t, rateLimiter, "waits", func(v int64) *checktest.Trace { return limited(t, 1000*ms, int(v), 600*ms, 0) },
			checktest.Case{V: 9, Want: "clear"}, checktest.Case{V: 10, Want: "warning"})
		checktest.At(t, rateLimiter, "ms that another one ends", func(v int64) *checktest.Trace { return limited(t, 1000*ms, 100, 600*ms, v*ms) },
			checktest.Case{V: 114, Want: "warning"}, checktest.Case{V: 132, Want: "n/a"})
		checktest.At(t, rateLimiter, "ms of a short trace", func(v int64) *checktest.Trace { return limited(t, 150*ms, 20, v*ms, 0) },
			checktest.Case{V: 99, Want: "clear"}, checktest.Case{V: 101, Want: "warning"})
		checktest.At(t, rateLimiter, "goroutines with one ticker", func(v int64) *checktest.Trace { return ticked(t, int(v), 48, 0) },
			checktest.Case{V: 1, Want: "n/a"}, checktest.Case{V: 2, Want: "clear"}, checktest.Case{V: 3, Want: "clear"}, checktest.Case{V: 4, Want: "warning/ticker"})
		checktest.At(t, rateLimiter, "tenths of ms by which each third tick of 10 ms is early", func(v int64) *checktest.Trace { return ticked(t, 5, 99, v*100_000) },
			checktest.Case{V: 19, Want: "warning/ticker"}, checktest.Case{V: 21, Want: "clear"})
		checktest.At(t, rateLimiter, "calls in the loop of a window", func(v int64) *checktest.Trace { return windowLoop(t, v, 2) },
			checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 24, Want: "warning"}, checktest.Case{V: 25, Want: "n/a"})
		checktest.At(t, rateLimiter, "calls before it", func(v int64) *checktest.Trace { return windowLoop(t, 50, v) },
			checktest.Case{V: 4, Want: "n/a"}, checktest.Case{V: 5, Want: "warning"})
		checktest.At(t, rateLimiter, "tickers of their own", func(v int64) *checktest.Trace { return ownTicks(t, int(v)) }, checktest.Case{V: 50, Want: "clear"})
	})
	f := checktest.Report(t, rateLimiter, limited(t, 1000*ms, 20, 600*ms, 0)).Results[0].Findings[0]
	if !strings.Contains(f.Summary, "main.worker up") || !strings.Contains(f.Summary, "main.do:21 → golang.org/x/time/rate.(*Limiter).Wait") {
		t.Error(f.Summary)
	}
}

// A library that is asked to let go on may sleep for that; one that works in rounds sleeps
// between them.
func TestLimiterSleeps(t *testing.T) {
	for call, want := range map[string]int{"golang.org/x/limit.(*Limiter).Take": 1, "golang.org/x/cache.(*Cache).Clean": 0} {
		tr := checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			for i := range int64(3) {
				g := s.Go("main.upload")
				for k := range int64(19) {
					g.Wait((1+50*k+i)*ms, (45+50*k+i)*ms, nil, "", "time.Sleep", call)
				}
			}
		})
		if found := checktest.Report(t, rateLimiter, tr).Results[0].Findings; len(found) != want {
			t.Errorf("asleep in %s: %+v", call, found)
		}
	}
}

// Who waits to hand work to goroutines that a limiter holds up is told of as what comes of
// that; not where something else holds them up.
func TestLimiterPaces(t *testing.T) {
	for _, c := range []struct {
		stack []string
		want  bool
	}{
		{[]string{"runtime.chansend1", "main.enqueue:9"}, true},
		{[]string{"runtime.chanrecv1", "main.enqueue:9"}, false},
	} {
		f := checktest.Report(t, rateLimiter, checktest.Tell(t, 1000*ms, func(s *checktest.Story) {
			w, from := s.Go("main.worker"), s.Go("main.watch")
			for i := range int64(19) {
				at := (1 + 50*i) * ms
				from.Wait(at+ms, at+49*ms, w, "main.worker:3", c.stack...)
				w.Wait(at, at+48*ms, nil, "", "runtime.selectgo", "golang.org/x/time/rate.(*Limiter).wait", "golang.org/x/time/rate.(*Limiter).Wait", "main.do:21")
			}
		})).Results[0].Findings[0]
		if slices.Contains(f.Explains, "lock-convoy/senders") != c.want {
			t.Errorf("%v: %v", c.stack, f.Explains)
		}
	}
}
