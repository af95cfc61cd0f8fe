package report

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/analysis/verdict"
	"github.com/tracelens/tracelens/internal/corpus"
)

// TestPublic: what reports of public traces must and must not say, as public/README.md of
// the corpus has it.
func TestPublic(t *testing.T) {
	// What no report may say of any of them.
	never := []string{"%!", "stood still", "TiB", "nothing limits", "Nothing limits"}
	for name, c := range map[string]struct {
		leads string   // how the verdict begins
		say   []string // with all tables
		not   []string // without them
	}{
		"go1.23-benchmark-fsync": {
			say: []string{"The program waits for a call: for 41.6 % of the time", "syscall.Fsync", "leveldb/storage.(*fileWrap).Sync", "8.78 s in calls", "21.1 s"},
			not: []string{"oversubscribed-host"}},
		"go1.19-unpreemptible-loop": {
			say: []string{"The GC waits to scan a stack", "a loop there that cannot be preempted", "at 2.80422 s +2.88 s a mark"},
			not: []string{"long chains of pointers", "linked lists"}},
		"go1.19-spinners":  {say: []string{"main.main.func1 ×9: 100 % running", "cannot be preempted"}},
		"go1.16-life-16p":  {say: []string{"GOMAXPROCS 16", "user 4.66 %", "chan receive 4,101 105,000/s", "chan send 4,101 105,000/s", "hand work to and fro 52,600/s"}, not: []string{"(unknown)"}},
		"go1.15-life-leak": {say: []string{"(*worker).processStrip ×2,460", "startIo ×290"}, not: []string{"(unknown)"}},
		"go1.11-mandelbrot-serial": {
			say:   []string{"main.main: 50.8 % running"},
			leads: "A serial part limits the program: for 50.8 % of the time exactly one user goroutine ran, and no other could, though there are 8 Ps: 100 % of it main.main"},
		"go1.26-flight-windows":  {say: []string{"ticks of about 75 ns", "the program was busy from 10.68614 s to its end", "Open at its end: task go-gateway", "withRequestIDAndLogging.func126: 99.9 % running"}, not: []string{"1 ns"}},
		"go1.22-idle-cpuprofile": {not: []string{"readProfile"}},
		"go1.23-windows-small":   {say: []string{"ticks of about 88 ns"}},
		"go1.22-short-stops":     {say: []string{"The trace is only 7.97 ms long"}, not: []string{"! limits/stops", "! stw"}},
		"go1.19-gomaxprocs-shrink": {
			say: []string{"GOMAXPROCS changed 1 time (8 → 4)", "0.119 ms", "2.42 s in 3 waits", "main.findInRange.func1:39 (os.(*File).write)"},
			not: []string{"worldsema", "gcsema", "semacquire", "stopTheWorld"}},
		"go1.23-kafka-cgo":           {say: []string{"84.2 %", "(C._rk_queue_poll)", "longest 19.7 s, 1 not over at the end of the trace"}},
		"go1.25-two-stops":           {say: []string{"The trace is only 2.03 ms long"}, not: []string{"! limits/stops", "! stw"}},
		"go1.21-encoding-json-tests": {say: []string{"encoding/json.TestIndentBig", "goal up to 87.7 MiB; no goal while the GC was off"}, not: []string{"straggler", "testing.tRunner:", "that of testing.tRunner"}},
		"go1.22-encoding-json-tests": {say: []string{"encoding/json.TestIndentBig", "goal up to 92.2 MiB; no goal while the GC was off"}, not: []string{"straggler", "that of testing.tRunner"}},
		"go1.10-mandelweb":           {say: []string{"Go 1.10 format", "GOMAXPROCS 4"}},
		"go1.9-workers-buffered":     {say: []string{"Go 1.9 format", "GOMAXPROCS 8", "stw: not applicable: traces of Go 1.9 and older do not tell stops of the world"}, not: []string{"the world was not stopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(corpus.Trace(t, "public/"+name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			rep, err := analysis.Analyze(context.Background(), f, name, analysis.Options{}, passes.All())
			if err != nil {
				t.Fatal(err)
			}
			rep.Verdict = verdict.Of(rep)
			text := func(opt Options) string {
				var b bytes.Buffer
				if err := Text(&b, rep, opt); err != nil {
					t.Fatal(err)
				}
				return strings.Join(strings.Fields(b.String()), " ")
			}
			full, brief := text(Options{Width: 1000, Full: true}), text(Options{Width: 1000, Brief: true})
			if !strings.HasPrefix(rep.Verdict.Text, c.leads) {
				t.Errorf("leads with %q, not %q", rep.Verdict.Text, c.leads)
			}
			for _, s := range c.say {
				if !strings.Contains(full, s) {
					t.Errorf("does not say %q", s)
				}
			}
			for _, s := range append(c.not, never...) {
				if i := strings.Index(brief, s); i >= 0 {
					t.Errorf("says %q: …%s…", s, brief[max(0, i-80):min(len(brief), i+80)])
				}
			}
		})
	}
}
