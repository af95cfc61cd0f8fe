package passes

import (
	"context"
	"runtime/trace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

func TestLockOf(t *testing.T) {
	tr, w := blkTrace(t)
	for name, want := range map[string]lockKind{
		"blkLocker": lockMutex, "blkReader": lockRead, "blkWriter": lockWrite, "blkOnce": lockOnce, "blkSender": lockNone,
	} {
		if got := lockOf(tr, w[name].stack); w[name].stack == 0 || got != want {
			t.Errorf("%s: lock kind %d, want %d", name, got, want)
		}
	}
}

func TestLockConvoy(t *testing.T) { runCases(t, lockConvoy, casesLockConvoy) }

func casesLockConvoy(t *testing.T) {
	tr, w := blkTrace(t)
	lock := w["blkLocker"]
	// Each wait followed by a pause, one at a time.
	withPauses := func(held, pause int64) (out []parse.Event) {
		for i := range int64(80) {
			out = append(out, blkWaits(lock, i*(held+pause), held, 1, 1)...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"healthy: short waits of many", blkWaits(lock, 100e6, 100e3, 8000, 8), ""},
		{"healthy: long waits, seldom", withPauses(5e6, 7e6), ""},
		{"queue of 8", blkWaits(lock, 100e6, 5e6, 480, 8), "lock-convoy warning"},
		{"queue of 4", blkWaits(lock, 100e6, 5e6, 240, 4), "lock-convoy warning"},
		{"queue of 3", blkWaits(lock, 100e6, 5e6, 180, 3), "lock-convoy note"},
		{"one waits always", blkWaits(lock, 100e6, 5e6, 60, 1), "lock-convoy note"},
		{"one waits mostly", withPauses(5e6, 1e6), ""},
		{"3.9 ms", blkWaits(lock, 100e6, 3900e3, 480, 8), "lock-convoy note"},
		{"4 ms", blkWaits(lock, 100e6, 4e6, 480, 8), "lock-convoy warning"},
		{"0.9 ms", blkWaits(lock, 100e6, 900e3, 1600, 8), ""},
		{"1 ms", blkWaits(lock, 100e6, 1e6, 1600, 8), "lock-convoy note"},
		{"9 waits", blkWaits(lock, 100e6, 90e6, 9, 9), ""},
		{"10 waits", blkWaits(lock, 100e6, 90e6, 10, 10), "lock-convoy warning"},
		{"one of 99 ms", blkWaits(lock, 100e6, 99e6, 1, 1), ""},
		{"one of 100 ms", blkWaits(lock, 100e6, 100e6, 1, 1), "lock-convoy note"},
		{"one of 249 ms", blkWaits(lock, 100e6, 249e6, 1, 1), "lock-convoy note"},
		{"one of 250 ms", blkWaits(lock, 100e6, 250e6, 1, 1), "lock-convoy warning"},
		{"worst stretch only", append(withPauses(1e6, 5e6), blkWaits(lock, 800e6, 10e6, 100, 10)...), "lock-convoy warning"},
		{"once", blkWaits(w["blkOnce"], 100e6, 200e6, 50, 50), "lock-convoy warning"},
		{"readers are another judge's", blkWaits(w["blkReader"], 100e6, 5e6, 480, 8), ""},
		{"senders", blkWaits(w["blkSender"], 0, 10e6, 80, 1), "lock-convoy/senders note"},
		{"senders that wait less", blkWaits(w["blkSender"], 0, 10e6, 79, 1), ""},
		{"many senders", blkWaits(w["blkSender"], 0, 10e6, 3000, 30), "lock-convoy/senders note"},
		{"healthy: workers wait for work", blkWaits(w["blkPing"], 0, 10e6, 2000, 20), ""},
		{"pool of 20", blkTurns(w["blkPing"], 10e6, 2000, 20, 0, 0), "lock-convoy/pool warning"},
		{"semaphore", blkTurns(w["blkSender"], 10e6, 2000, 20, 0, 0), "lock-convoy/pool warning"},
		{"4 wait", blkTurns(w["blkPing"], 10e6, 400, 4, 0, 0), "lock-convoy/pool warning"},
		{"nearly 4 wait", blkTurns(w["blkPing"], 10e6, 396, 4, 0, 0), "lock-convoy/pool note"},
		{"one waits", blkTurns(w["blkPing"], 10e6, 100, 1, 0, 0), "lock-convoy/pool note"},
		{"nearly one waits", blkTurns(w["blkPing"], 10e6, 99, 1, 0, 0), ""},
		{"short", blkTurns(w["blkPing"], 900e3, 20000, 20, 0, 0), ""},
		{"some give work only", blkTurns(w["blkPing"], 10e6, 2000, 20, 6, 0), "lock-convoy/pool warning"},
		{"more give work only", blkTurns(w["blkPing"], 10e6, 2000, 20, 7, 0), ""},
		{"few out of turn", blkTurns(w["blkPing"], 10e6, 2000, 20, 0, 200), "lock-convoy/pool warning"},
		{"each its own", blkTurns(w["blkPing"], 10e6, 2000, 20, 0, 201), ""},
	} {
		r := blkJudge(t, tr, lockConvoy, c.events, []parse.Event{blkRan(lock.fn, 0, 1e8, 40e9)})
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	f := blkJudge(t, tr, lockConvoy, blkWaits(lock, 100e6, 5e6, 480, 8), []parse.Event{blkRan(lock.fn, 0, 1e8, 4e9)}).Findings[0]
	if f.Cost.Value != 2400e6 || f.Cost.Total != 4100e6 || !strings.Contains(f.Summary, "8.0 waited at once") || !strings.Contains(f.Summary, "blkUnlocker") {
		t.Errorf("%+v", f)
	}
	if len(f.Evidence) != 2 || len(f.Evidence[0].Stack) == 0 || !strings.Contains(f.Evidence[1].Func, "blkUnlocker") || f.Evidence[0].To-f.Evidence[0].From < blockingStretch {
		t.Errorf("evidence %+v", f.Evidence)
	}
}

// Of a pipeline only the last full channel is named.
func TestLockConvoyPipeline(t *testing.T) {
	tr, w := blkTrace(t)
	last := w["blkSender"]
	first := w["blkLocker"] // any other function
	first.reason, first.waker = last.reason, last.stack
	r := blkJudge(t, tr, lockConvoy, blkWaits(first, 0, 10e6, 95, 1), blkWaits(last, 0, 10e6, 90, 1))
	if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, "blkSender") || len(r.Findings[0].Explains) != 1 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestLockConvoyTraces(t *testing.T) {
	for name, want := range map[string]string{
		"mutex-starvation": "lock-convoy note", "mutex-starvation-go124": "lock-convoy note", "lock-5ms": "lock-convoy note",
		"http-healthy": "", "netpoll-echo": "", "heartbeat": "", "idle": "", "mixed-go121": "",
	} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), lockConvoy)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"sync/mutex-hold-sleep": "main.mutexWaiter", "sync/mutex-hold-cpu": "main.mutexWaiter", "flight/flightrec-slow-request": "main.flightRequest",
		"sync/once-herd": "main.onceHerd", "versions/go1.26.8": "main.waiter", "versions/go1.16.15": "main.waiter",
		"sync/semaphore-chan": "main.semUser", "sync/select-fanin": "main.faninProducer", "sync/chan-slow-stage": "main.stageFast",
		"io/http-mix": "", "real/victoria-metrics": "", "real/etcd-embed": "", "real/nats-server": "", "sched/mix-procs2": "",
	} {
		t.Run(name, func(t *testing.T) {
			r := blkOn(t, analysistest.Corpus(t, name), lockConvoy)
			holder := map[string]string{"sync/mutex-hold-sleep": "main.mutexHolder", "sync/mutex-hold-cpu": "main.mutexHolder", "flight/flightrec-slow-request": "main.lockHog", "versions/go1.26.8": "main.holder"}[name]
			if len(r.Findings) > 0 && !strings.Contains(r.Findings[0].Summary, holder) {
				t.Errorf("%s does not name %s", r.Findings[0].Summary, holder)
			}
			switch {
			case want == "" && len(r.Findings) > 0:
				t.Errorf("%s", r.Findings[0].Summary)
			case want != "" && (len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Summary, want)):
				t.Errorf("%+v, want one at %s", r.Findings, want)
			}
		})
	}
}

func TestRWMutexWriterStall(t *testing.T) { runCases(t, rwmutexWriterStall, casesRWMutexWriterStall) }

func casesRWMutexWriterStall(t *testing.T) {
	tr, w := blkTrace(t)
	reader, writer := w["blkReader"], w["blkWriter"]
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"healthy", blkWaits(reader, 100e6, 200e3, 1000, 2), ""},
		{"no reader", blkWaits(writer, 100e6, 5e6, 40, 1), ""},
		{"8 readers", blkWaits(reader, 100e6, 5e6, 480, 8), "rwmutex-writer-stall warning"},
		{"4 readers", blkWaits(reader, 100e6, 5e6, 240, 4), "rwmutex-writer-stall warning"},
		{"3 readers", blkWaits(reader, 100e6, 5e6, 180, 3), "rwmutex-writer-stall note"},
		{"3.9 ms", blkWaits(reader, 100e6, 3900e3, 480, 8), "rwmutex-writer-stall note"},
		{"0.9 ms", blkWaits(reader, 100e6, 900e3, 1600, 8), ""},
		{"1 ms", blkWaits(reader, 100e6, 1e6, 1600, 8), "rwmutex-writer-stall note"},
		{"half a reader", blkWaits(reader, 100e6, 5100e3, 10, 1), "rwmutex-writer-stall note"},
		{"less than half", blkWaits(reader, 100e6, 4800e3, 10, 1), ""},
		{"9 waits", blkWaits(reader, 100e6, 100e6, 9, 9), ""},
	} {
		if got := blkFound(blkJudge(t, tr, rwmutexWriterStall, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	readers := blkWaits(reader, 100e6, 8e6, 320, 8)
	for _, c := range []struct {
		writer int64 // ns of each 8 ms that the writer waits
		behind bool
	}{{0, false}, {1500e3, false}, {2500e3, true}, {8e6, true}} {
		var writes []parse.Event
		for i := int64(0); i < 40 && c.writer > 0; i++ {
			writes = append(writes, blkWaits(writer, 100e6+i*8e6, c.writer, 1, 1)...)
		}
		f := blkJudge(t, tr, rwmutexWriterStall, readers, writes).Findings[0]
		if got := strings.Contains(f.Summary, "slow readers"); got != c.behind {
			t.Errorf("writer waits %d of 8 ms: %s", c.writer, f.Summary)
		}
	}
	for _, name := range []string{"real/etcd-embed", "io/http-mix"} {
		t.Run(name, func(t *testing.T) {
			if r := blkOn(t, analysistest.Corpus(t, name), rwmutexWriterStall); r.Outcome != analysis.Clear {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestChannelPingPong(t *testing.T) { runCases(t, channelPingPong, casesChannelPingPong) }

func casesChannelPingPong(t *testing.T) {
	tr, w := blkTrace(t)
	ping, pong := w["blkPing"], w["blkPong"]
	if ping.waker == 0 || pong.waker == 0 {
		t.Fatal(ping, pong)
	}
	for _, c := range []struct {
		name string
		end  int64
		n    int
		ran  int64 // of each side
		want string
	}{
		{"no waits", 1e9, 0, 0, "not applicable"},
		{"too short", 99e6, 9000, 1e6, "not applicable"},
		{"healthy: much work", 1e9, 9000, 300e6, ""},
		{"healthy: now and then", 1e9, 500, 1e6, ""},
		{"5,000 a second", 1e9, 5000, 25e6, "channel-ping-pong note"},
		{"4,999 a second", 1e9, 4999, 10e6, ""},
		{"more work", 1e9, 5000, 26e6, ""},
		{"short burst", 150e6, 999, 1e6, ""},
		{"longer burst", 150e6, 1000, 1e6, "channel-ping-pong note"},
	} {
		tr := *tr
		tr.To, tr.Last = parse.Time(c.end), parse.Time(c.end)
		r := blkJudge(t, &tr, channelPingPong, blkWaits(ping, 0, 10e3, c.n, 1), blkWaits(pong, 0, 10e3, c.n, 1),
			[]parse.Event{blkRan(ping.fn, 0, c.ran, 1e9), blkRan(pong.fn, 0, c.ran, 1e9)})
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for _, name := range []string{"sched/lockosthread-pingpong", "sync/chan-slow-stage", "io/net-echo"} { // 3,000 a second each way at most
		t.Run(name, func(t *testing.T) {
			if r := blkOn(t, analysistest.Corpus(t, name), channelPingPong); r.Outcome != analysis.Clear {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestStuckGoroutines(t *testing.T) { runCases(t, stuckGoroutines, casesStuckGoroutines) }

func casesStuckGoroutines(t *testing.T) {
	tr, w := blkTrace(t)
	recv, lock := w["blkPing"], w["blkLocker"]
	// n goroutines that begin to wait between two moments and never go on.
	grow := func(n int, from, to int64) (out []parse.Event) {
		for i := range n {
			out = append(out, blkOpen(recv, from+(to-from)*int64(i)/int64(n), false))
		}
		return out
	}
	idle := func(n int) (out []parse.Event) {
		for range n {
			out = append(out, blkOpen(recv, 0, true))
		}
		return out
	}
	join := func(parts ...[]parse.Event) (out []parse.Event) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		events []parse.Event
		want   string
	}{
		{"none", nil, "not applicable"},
		{"leak", grow(100, 0, 1e9), "stuck-goroutines warning"},
		{"20", grow(20, 0, 1e9), "stuck-goroutines warning"},
		{"19", grow(19, 0, 1e9), "stuck-goroutines note"},
		{"10", grow(10, 0, 1e9), "stuck-goroutines note"},
		{"9", grow(9, 0, 1e9), ""},
		{"healthy: pool that starts", grow(100, 0, 20e6), ""},
		{"healthy: pool at rest", idle(500), ""},
		{"healthy: burst at the end", grow(100, 900e6, 1e9), ""},
		{"healthy: waits end", join(grow(20, 0, 1e9), blkWaits(recv, 0, 10e6, 100, 2)), ""},
		{"one in twenty ended", join(grow(38, 0, 1e9), blkWaits(recv, 0, 1e6, 2, 1)), "stuck-goroutines warning"},
		{"more ended", join(grow(38, 0, 1e9), blkWaits(recv, 0, 1e6, 3, 1)), ""},
		{"a tenth more", join(grow(20, 0, 1e9), idle(200)), "stuck-goroutines warning"},
		{"less than a tenth more", join(grow(20, 0, 1e9), idle(201)), ""},
		{"deadlock", []parse.Event{blkOpen(lock, 0, true)}, "stuck-goroutines/lock warning"},
		{"lock for half a second", []parse.Event{blkOpen(lock, 500e6, false)}, "stuck-goroutines/lock note"},
		{"lock for less", []parse.Event{blkOpen(lock, 501e6, false)}, ""},
		{"nil channel", []parse.Event{blkOpen(w["blkNil"], 0, false)}, "stuck-goroutines/forever warning"},
		{"select{}", []parse.Event{blkOpen(w["blkEmpty"], 0, false)}, "stuck-goroutines/forever note"},
		{"sleep", []parse.Event{blkOpen(w["blkSleeper"], 0, false)}, ""},
	} {
		if got := blkFound(blkJudge(t, tr, stuckGoroutines, c.events)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for end, want := range map[int64]string{499e6: "not applicable", 500e6: ""} {
		short := *tr
		short.To, short.Last = parse.Time(end), parse.Time(end)
		if got := blkFound(blkJudge(t, &short, stuckGoroutines, blkWaits(recv, 0, 1e6, 3, 1))); got != want {
			t.Errorf("trace of %d ns: %q, want %q", end, got, want)
		}
	}
	for end, want := range map[int64]string{3200e6: "stuck-goroutines/lock note", 3210e6: ""} {
		long := *tr
		long.To, long.Last = parse.Time(end), parse.Time(end)
		e := blkOpen(lock, end-800e6, false)
		e.Time = long.To
		if got := blkFound(blkJudge(t, &long, stuckGoroutines, []parse.Event{e})); got != want {
			t.Errorf("0.8 s of %d ns: %q, want %q", end, got, want)
		}
	}
	r := blkJudge(t, tr, stuckGoroutines, grow(30, 0, 1e9), []parse.Event{blkRan(recv.fn, w["blkSender"].stack, 0, 30e9)})
	if f := r.Findings[0]; len(f.Evidence) != 2 || !strings.Contains(f.Evidence[1].Func, "blkSender") {
		t.Errorf("where they were started is missing: %+v", f.Evidence)
	}
}

func TestStuckGoroutinesTraces(t *testing.T) {
	for name, want := range map[string]string{"idle": "", "heartbeat": "", "http-healthy": "not applicable"} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), stuckGoroutines)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"sync/goroutine-leak": "stuck-goroutines warning", "sync/deadlock-abba": "stuck-goroutines/lock warning",
		"sync/nil-and-empty-select": "stuck-goroutines/forever warning",
		"io/http-mix":               "", "sched/goroutines-50k-parked": "", "sched/goroutine-churn": "", "io/net-conn-churn": "", "real/etcd-embed": "", "real/geth-startup": "",
	} {
		t.Run(name, func(t *testing.T) {
			got := blkFound(blkOn(t, analysistest.Corpus(t, name), stuckGoroutines))
			if !strings.HasPrefix(got, want) || want == "" && got != "" {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestTickerStorm(t *testing.T) { runCases(t, tickerStorm, casesTickerStorm) }

func casesTickerStorm(t *testing.T) {
	tr, w := blkTrace(t)
	sleep := w["blkSleeper"]
	others := sleep
	others.waker = w["blkLocker"].waker
	for _, c := range []struct {
		name   string
		end    int64
		n      int
		ran    int64
		others int
		want   string
	}{
		{"no waits", 1e9, 0, 0, 0, "not applicable"},
		{"too short", 99e6, 1000, 1e6, 0, "not applicable"},
		{"healthy: a beat", 1e9, 50, 1e6, 0, ""},
		{"1,000 a second", 1e9, 1000, 20e6, 0, "ticker-storm note"},
		{"999 a second", 1e9, 999, 1e6, 0, ""},
		{"healthy: real work", 1e9, 1000, 21e6, 0, ""},
		{"waits for little else", 1e9, 1000, 1e6, 52, "ticker-storm note"},
		{"waits for other things", 1e9, 1000, 1e6, 53, ""},
	} {
		tr := *tr
		tr.To, tr.Last = parse.Time(c.end), parse.Time(c.end)
		r := blkJudge(t, &tr, tickerStorm, blkWaits(sleep, 0, 50e3, c.n, 1), blkWaits(others, 0, 50e3, c.others, 1), []parse.Event{blkRan(sleep.fn, 0, c.ran, 1e9)})
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// What it wakes up for may be a system call.
	call := blkRan(sleep.fn, 0, 1e6, 1e9)
	call.GoLife.Spent[parse.GoSyscall] = 20e6
	if got := blkFound(blkJudge(t, tr, tickerStorm, blkWaits(sleep, 0, 50e3, 1000, 1), []parse.Event{call})); got != "" {
		t.Errorf("with system calls: %s", got)
	}
	for _, name := range []string{"idle", "heartbeat", "http-healthy", "steal-timers"} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), tickerStorm)); got != "" && got != "not applicable" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, name := range []string{"io/net-echo", "io/file-fsync", "cgo/cgo-thread-explosion", "sync/mutex-hold-sleep", "real/victoria-metrics"} {
		t.Run(name, func(t *testing.T) {
			if got := blkFound(blkOn(t, analysistest.Corpus(t, name), tickerStorm)); got != "" {
				t.Error(got)
			}
		})
	}
}

func TestNetpollDelay(t *testing.T) { runCases(t, netpollDelay, casesNetpollDelay) }

func casesNetpollDelay(t *testing.T) {
	tr, w := blkTrace(t)
	for _, c := range []struct {
		name  string
		n     int
		delay int64
		ran   int64
		want  string
	}{
		{"no network", 0, 0, 1e9, "not applicable"},
		{"healthy", 5000, 20e3, 2e9, ""},
		{"short, but as much as it runs", 5000, 900e3, 1e9, ""},
		{"1 ms", 1000, 1e6, 10e9, "netpoll-delay note"},
		{"less than 1 ms", 1000, 990e3, 1e9, ""},
		{"5 ms", 1000, 5e6, 25e9, "netpoll-delay warning"},
		{"4.9 ms", 1000, 4900e3, 24e9, "netpoll-delay note"},
		{"20 ms", 1000, 20e6, 40e9, "netpoll-delay error"},
		{"20 ms, less than half", 1000, 20e6, 41e9, "netpoll-delay warning"},
		{"5 %", 1000, 5e6, 100e9, "netpoll-delay note"},
		{"less than 5 %", 1000, 5e6, 101e9, ""},
		{"too few for a p99, but a bad stretch", 20, 1e6, 100e6, "netpoll-delay note"},
		{"a very bad stretch", 20, 5e6, 100e6, "netpoll-delay warning"},
		{"one less", 19, 5e6, 100e6, ""},
		{"stretch below 1 ms", 20, 990e3, 100e6, ""},
	} {
		var events []parse.Event
		for range c.n {
			wake := blkWait(parse.Go{To: parse.GoRunnable, Since: 10, Ready: parse.ReadyNetpoll, Home: 1, FromReason: w["blkPing"].reason, FromStack: w["blkPing"].stack}, 1000)
			wake.G = parse.NoGo
			events = append(events, wake, started(c.delay, parse.Go{Ready: parse.ReadyNetpoll, Home: 1, Origin: parse.OriginLocal, BlockedOn: w["blkPing"].reason, BlockedStack: w["blkPing"].stack}))
		}
		tr := *tr
		tr.To, tr.Last = 990e6, 990e6 // too short for a worst moment
		r := blkJudge(t, &tr, netpollDelay, events, []parse.Event{blkRan(w["blkPing"].fn, 0, c.ran, 0)})
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// Of 100 delays so many in one moment.
	for n, want := range map[int]string{79: "netpoll-delay warning", 81: "netpoll-delay note", 100: "netpoll-delay note"} {
		var events []parse.Event
		for i := range 100 {
			wake := blkWait(parse.Go{To: parse.GoRunnable, Since: 10, Ready: parse.ReadyNetpoll, Home: 1, FromReason: w["blkPing"].reason, FromStack: w["blkPing"].stack}, 1000)
			wake.G = parse.NoGo
			run := started(6e6, parse.Go{Ready: parse.ReadyNetpoll, Home: 1, Origin: parse.OriginLocal, BlockedOn: w["blkPing"].reason, BlockedStack: w["blkPing"].stack})
			if i >= n {
				run.Time += parse.Time((10 + i) * 8e6)
				run.Go.Since += parse.Time((10 + i) * 8e6)
			}
			events = append(events, wake, run)
		}
		if got := blkFound(blkJudge(t, tr, netpollDelay, events, []parse.Event{blkRan(w["blkPing"].fn, 0, 2e9, 0)})); got != want {
			t.Errorf("%d in a moment: %q, want %q", n, got, want)
		}
	}
	for name, want := range map[string]string{"http-healthy": "", "netpoll-echo": "", "idle": "not applicable"} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), netpollDelay)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"arch/linux-s390x": "netpoll-delay note", "io/http-mix": "", "io/net-echo": "", "real/etcd-embed": ""} {
		t.Run(name, func(t *testing.T) {
			if got := blkFound(blkOn(t, analysistest.Corpus(t, name), netpollDelay)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// blkTask makes a task of ns, spent in one state but for usual ns of running.
func blkTask(ns, usual int64, in map[parse.GoState]int64) parse.Event {
	r := parse.Range{Kind: parse.RangeTask, Name: 1, ID: 7, G: 5, Since: 1000, Until: parse.Time(1000 + ns)}
	r.Spent[parse.GoRunning] = usual
	for s, v := range in {
		r.Spent[s] += v
	}
	return parse.Event{Time: r.Until, Kind: parse.KindRangeEnd, Range: &r}
}

func TestSlowTasks(t *testing.T) { runCases(t, slowTasks, casesSlowTasks) }

func casesSlowTasks(t *testing.T) {
	tr, w := blkTrace(t)
	all := func(s parse.GoState) map[parse.GoState]int64 { return map[parse.GoState]int64{s: 100} }
	for _, c := range []struct {
		name        string
		n           int   // of usual length; two slow ones more
		usual, slow int64 // ns
		in          map[parse.GoState]int64
		want        string
	}{
		{"no tasks", 0, 0, 0, nil, "not applicable"},
		{"healthy", 500, 1e6, 2e6, all(parse.GoWaiting), ""},
		{"too few", 97, 1e6, 19e6, all(parse.GoWaiting), "not applicable"},
		{"100", 98, 1e6, 30e6, all(parse.GoWaiting), "slow-tasks warning"},
		{"wait for a P", 98, 1e6, 30e6, all(parse.GoRunnable), "slow-tasks warning"},
		{"system calls", 98, 1e6, 30e6, all(parse.GoSyscall), "slow-tasks warning"},
		{"more work", 98, 1e6, 30e6, all(parse.GoRunning), "slow-tasks note"},
		{"4.9 times", 98, 10e6, 49e6, all(parse.GoWaiting), ""},
		{"5.1 times", 98, 10e6, 51e6, all(parse.GoWaiting), "slow-tasks warning"},
		{"0.9 ms more", 98, 100e3, 1000e3, all(parse.GoWaiting), ""},
		{"1.1 ms more", 98, 100e3, 1200e3, all(parse.GoWaiting), "slow-tasks note"},
		{"9.8 ms more", 98, 1e6, 10800e3, all(parse.GoWaiting), "slow-tasks note"},
		{"10.2 ms more", 98, 1e6, 11200e3, all(parse.GoWaiting), "slow-tasks warning"},
		{"half", 98, 1e6, 31e6, map[parse.GoState]int64{parse.GoWaiting: 51, parse.GoRunnable: 49}, "slow-tasks warning"},
		{"less than half", 98, 1e6, 31e6, map[parse.GoState]int64{parse.GoWaiting: 49, parse.GoRunnable: 26, parse.GoSyscall: 25}, "slow-tasks note"},
	} {
		var events []parse.Event
		for range c.n {
			events = append(events, blkTask(c.usual, c.usual, nil))
		}
		for i := 0; i < 2 && c.n > 0; i++ {
			in := make(map[parse.GoState]int64)
			for s, percent := range c.in {
				in[s] = (c.slow - c.usual) * percent / 100
			}
			if c.n == 97 && i == 1 {
				break
			}
			events = append(events, blkTask(c.slow, c.usual, in))
		}
		r := blkJudge(t, tr, slowTasks, events)
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	r := blkJudge(t, tr, slowTasks, func() (out []parse.Event) {
		for range 98 {
			out = append(out, blkTask(1e6, 1e6, nil))
		}
		slow := blkTask(31e6, 1e6, map[parse.GoState]int64{parse.GoRunnable: 24e6, parse.GoWaiting: 6e6})
		return append(out, slow, slow)
	}())
	if s := r.Findings[0].Summary; !strings.Contains(s, "80 % waiting for a P, 20 % blocked") {
		t.Errorf("%s", s)
	}
	// One of many.
	for _, c := range []struct {
		name        string
		n           int
		usual, slow int64
		blocked     int64 // percent
		want        string
	}{
		{"one of 20", 19, 1e6, 40e6, 100, "slow-tasks/single note"},
		{"one of 19", 18, 1e6, 40e6, 100, "not applicable"},
		{"one of 1,000", 999, 1e6, 40e6, 100, "slow-tasks/single note"},
		{"20 times", 999, 1e6, 20100e3, 100, "slow-tasks/single note"},
		{"less", 999, 1e6, 19e6, 100, ""},
		{"10 ms beyond", 999, 100e3, 10200e3, 100, "slow-tasks/single note"},
		{"not 10 ms", 999, 100e3, 9900e3, 100, ""},
		{"waiting for a P", 999, 1e6, 40e6, 0, "slow-tasks/single note"},
	} {
		var events []parse.Event
		for range c.n {
			events = append(events, blkTask(c.usual, c.usual, nil))
		}
		more := c.slow - c.usual
		events = append(events, blkTask(c.slow, c.usual, map[parse.GoState]int64{parse.GoWaiting: more * c.blocked / 100, parse.GoRunnable: more * (100 - c.blocked) / 100}))
		r := blkJudge(t, tr, slowTasks, events)
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	// The region that is slow in the slow tasks is named, one that is as ever is not.
	region := func(name parse.StringID, slow int64) (out []parse.Event) {
		for i := range 100 {
			e := blkTask(500e3, 500e3, nil)
			if i >= 98 {
				e = blkTask(slow, 500e3, nil)
			}
			e.Range.Kind, e.Range.Name = parse.RangeRegion, name
			out = append(out, e)
		}
		return out
	}
	r = blkJudge(t, tr, slowTasks, func() (out []parse.Event) {
		for range 98 {
			out = append(out, blkTask(1e6, 1e6, nil))
		}
		slow := blkTask(31e6, 1e6, map[parse.GoState]int64{parse.GoWaiting: 30e6})
		return append(out, slow, slow)
	}(), region(tr.Entry(w["blkOnce"].stack), 25e6), region(tr.Entry(w["blkSender"].stack), 10e6))
	if s := r.Findings[0].Summary; !strings.Contains(s, "regions") || !strings.Contains(s, "blkOnce") || strings.Contains(s, "blkSender") {
		t.Errorf("%s", s)
	}
	for name, want := range map[string]string{"flight-recorder": "slow-tasks/single note", "annotations": "not applicable", "idle": "not applicable"} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), slowTasks)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestTaskSpans(t *testing.T) {
	var whole, a, b taskSpans
	var h sketch.Histogram
	for i := range int64(400) {
		r := blkTask(i*i*1000, 5, map[parse.GoState]int64{parse.GoWaiting: i}).Range
		held := int64(r.Until - r.Since)
		h.Add(held)
		whole.add(r, held)
		if i < 170 {
			a.add(r, held)
		} else {
			b.add(r, held)
		}
	}
	if a.merge(&b); a != whole {
		t.Error("merged sums differ from the sequential ones")
	}
}

func TestUnfinishedTasks(t *testing.T) { runCases(t, unfinishedTasks, casesUnfinishedTasks) }

func casesUnfinishedTasks(t *testing.T) {
	tr, _ := blkTrace(t)
	for _, c := range []struct {
		name        string
		whole, open int
		age         int64
		want        string
	}{
		{"no tasks", 0, 0, 0, "not applicable"},
		{"healthy", 1000, 0, 0, ""},
		{"healthy: under way", 100, 20, 900e3, ""},
		{"5 of 100", 95, 5, 500e6, "unfinished-tasks note"},
		{"5 of 101", 96, 5, 500e6, ""},
		{"4", 10, 4, 500e6, ""},
		{"none ended", 0, 5, 500e6, "unfinished-tasks note"},
	} {
		var events []parse.Event
		for range c.whole {
			events = append(events, blkTask(1e6, 1e6, nil))
		}
		for range c.open {
			e := blkTask(c.age, 0, nil)
			e.Range.Unfinished = true
			events = append(events, e)
		}
		r := blkJudge(t, tr, unfinishedTasks, events)
		if got := blkFound(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for name, want := range map[string]string{"annotations": "", "flight-recorder": "", "idle": "not applicable"} {
		if got := blkFound(blkOn(t, analysistest.Testdata(t, name), unfinishedTasks)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Programs in which the causes are planted, so long that no load hides them.
func TestBlockingJudgesLive(t *testing.T) {
	rep := blkLive(t, []*analysis.Analyzer{rwmutexWriterStall, slowTasks, unfinishedTasks, stuckGoroutines}, func() {
		var rw sync.RWMutex
		var wg sync.WaitGroup
		stop := time.Now().Add(600 * time.Millisecond)
		for range 12 {
			wg.Go(func() {
				for time.Now().Before(stop) {
					blkReader(&rw)
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Go(func() {
			for time.Now().Before(stop) {
				rw.RLock()
				time.Sleep(30 * time.Millisecond) // the slow reader
				rw.RUnlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
		wg.Go(func() {
			for time.Now().Before(stop) {
				blkWriter(&rw)
				time.Sleep(5 * time.Millisecond)
			}
		})
		for range 12 {
			trace.NewTask(context.Background(), "forgotten")
		}
		for i := range 150 {
			_, task := trace.NewTask(context.Background(), "request")
			if i%30 == 7 {
				time.Sleep(50 * time.Millisecond)
			}
			task.End()
		}
		wg.Wait()
	})
	// blkEmpty of the recording before still is where it was.
	want := []string{"rwmutex-writer-stall warning", "slow-tasks warning", "unfinished-tasks note", "stuck-goroutines/forever note"}
	for i, r := range rep.Results {
		if got := blkFound(r); got != want[i] {
			t.Errorf("%s: %q, want %q; %q %s", r.Name, got, want[i], r.Summary, r.Reason)
		}
	}
	for i, part := range []string{"blkReader", "blocked", "forgotten"} {
		if f := rep.Results[i].Findings; len(f) > 0 && !strings.Contains(f[0].Summary, part) {
			t.Errorf("%q is not in %s", part, f[0].Summary)
		}
	}
	if f := rep.Results[0].Findings; len(f) > 0 && !strings.Contains(f[0].Summary, "blkWriter") {
		t.Errorf("the writer that waits is not named: %s", f[0].Summary)
	}
}
