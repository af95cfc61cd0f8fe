package measures

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/parse"
)

func TestTrustLaw(t *testing.T) {
	for _, name := range []string{"gomaxprocs-change", "mixed-go121", "flight-recorder", "coroutines"} {
		analysistest.Law(t, analysistest.Testdata(t, name), []*analysis.Analyzer{Trust})
	}
}

// truth reads what the program that made one of the module's own traces knows.
func truth(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(analysistest.Testdata(t, name), ".trace") + ".json")
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Every ns of every goroutine and P of a sound trace is in exactly one span.
func TestTrustAccountsBalance(t *testing.T) {
	for _, name := range analysistest.OwnTraces(t) {
		rep := analysistest.Report(t, analysistest.Testdata(t, name), Trust)
		analysistest.WantMetrics(t, rep, map[string]float64{"trace.complete": 1})
		const whole = "goroutines: states = lifetimes"
		for _, account := range []string{whole, "Ps: states = lifetimes", "goroutines running = Ps running one", "Ps: states = GOMAXPROCS × time"} {
			if strings.HasSuffix(account, "× time") && name == "mixed-go121" {
				continue // not told in this format
			}
			bar := int64(0)
			if strings.HasSuffix(account, "× time") && name == "gomaxprocs-change" {
				bar = 10_000 // a P in use outlives the change
			}
			if ns := analysistest.Cell(t, rep, "trust.accounts", account, "difference").(int64); ns > bar {
				t.Errorf("%s: %s: difference %d ns", name, account, ns)
			}
			if ns := analysistest.Cell(t, rep, "trust.accounts", account, "largest of one"); ns != int64(0) {
				t.Errorf("%s: %s: %d ns of %v", name, account, ns, analysistest.Cell(t, rep, "trust.accounts", account, "whose"))
			}
		}
		if ns := analysistest.Cell(t, rep, "trust.accounts", whole, "one way"); ns.(int64) < rep.Trace.Duration {
			t.Errorf("%s: goroutines lived %d ns in all, less than the trace", name, ns)
		}
	}
}

func TestTrustGOMAXPROCS(t *testing.T) {
	rep := analysistest.Report(t, analysistest.Testdata(t, "gomaxprocs-change"), Trust)
	analysistest.WantMetrics(t, rep, map[string]float64{"procs.gomaxprocs.max": 8, "procs.gomaxprocs.min": 1})
	var want struct{ Measured struct{ Sequence []int64 } }
	truth(t, "gomaxprocs-change", &want)
	var got []int64
	i := slices.IndexFunc(rep.Results[0].Tables, func(tb *analysis.Table) bool { return tb.Name == "trust.gomaxprocs" })
	rows := rep.Results[0].Tables[i].Rows
	for i, r := range rows {
		got = append(got, r[2].(int64))
		if i > 0 && r[0] != rows[i-1][1] {
			t.Errorf("row %d begins at %d, the row before ends at %d", i, r[0], rows[i-1][1])
		}
	}
	if want := slices.Compact(want.Measured.Sequence); !slices.Equal(got, want) {
		t.Errorf("GOMAXPROCS was %v, want %v", got, want)
	}
	if first, last := rows[0][0], rows[len(rows)-1][1]; first != int64(0) || last != rep.Trace.Duration {
		t.Errorf("the steps cover %v to %v of %d ns", first, last, rep.Trace.Duration)
	}
	// Up to Go 1.21 it is told at a stop-the-world.
	rep = analysistest.Report(t, analysistest.Testdata(t, "mixed-go121"), Trust)
	analysistest.WantMetrics(t, rep, map[string]float64{"procs.gomaxprocs.max": 4, "procs.gomaxprocs.min": 4})
}

func TestTrustLostSpans(t *testing.T) {
	goLife := func(id parse.GoID, born, end, runnable, running, waiting int64) parse.Event {
		l := parse.GoLife{ID: id, Born: parse.Time(born)}
		l.Spent[parse.GoRunnable], l.Spent[parse.GoRunning], l.Spent[parse.GoWaiting] = runnable, running, waiting
		return parse.Event{Time: parse.Time(end), Kind: parse.KindGoLife, GoLife: &l}
	}
	events := []parse.Event{
		// G 1 lives from 0 to 1000, but 300…400 is lost.
		goLife(1, 0, 1000, 0, 300, 600),
		// G 2 is whole.
		goLife(2, 500, 700, 100, 100, 0),
		// P 0 is whole in its first life; 30 ns of its second are lost.
		analysistest.ProcLife(0, 0, 500, 200, 300),
		analysistest.ProcLife(0, 600, 1000, 50, 320),
		{Time: 500, Kind: parse.KindInterval, Interval: &parse.Interval{Since: 0, Procs: 1}},
		{Time: 1000, Kind: parse.KindInterval, Interval: &parse.Interval{Since: 500, Procs: 2}},
	}
	rep := analysistest.Synthetic(t, 26, Trust, events...)
	for _, c := range []struct {
		account, column string
		want            any
	}{
		{"goroutines: states = lifetimes", "one way", int64(300 + 600 + 100 + 100)},
		{"goroutines: states = lifetimes", "other way", int64(1000 + 200)},
		{"goroutines: states = lifetimes", "largest of one", int64(100)},
		{"goroutines: states = lifetimes", "whose", "G 1 (unknown)"},
		{"Ps: states = lifetimes", "one way", int64(300 + 200 + 50 + 320)},
		{"Ps: states = lifetimes", "other way", int64(500 + 400)},
		{"Ps: states = lifetimes", "whose", "P 0"},
		{"goroutines running = Ps running one", "one way", int64(300 + 100)},
		{"goroutines running = Ps running one", "other way", int64(300 + 320)},
		{"Ps: states = GOMAXPROCS × time", "other way", int64(500 + 2*500)},
	} {
		if got := analysistest.Cell(t, rep, "trust.accounts", c.account, c.column); got != c.want {
			t.Errorf("%s, %s: %v, want %v", c.account, c.column, got, c.want)
		}
	}
	if s := rep.Results[0].Summary[0]; !strings.Contains(s, "NOT all time accounted for") {
		t.Errorf("summary: %s", s)
	}
}

func TestTrustSaysWhatIsLost(t *testing.T) {
	tr := &parse.Trace{
		Symbols: &parse.Symbols{}, Version: 25, From: 5000, First: 5000, To: 2e9, Last: 2e9, Quantum: 64,
		Events: 1000, Generations: 3, Begun: 4, Fault: errors.New("cut here"), Quality: parse.Quality{UnpairedEnds: 2},
	}
	as := []*analysis.Analyzer{Trust}
	rep := analysis.Conclude(tr, "lost", analysis.NewPartial(as), as, nil)
	analysistest.WantMetrics(t, rep, map[string]float64{"trace.complete": .75, "trace.generations": 3, "procs.gomaxprocs.max": -1, "trace.duration": 2e9 - 5000})
	s := rep.Results[0].Summary
	if len(s) != 3 || s[0] != "INCOMPLETE: cut here" || !strings.Contains(s[1], "3 of 4 generations") || !strings.Contains(s[2], "ends of ranges without start: 2") {
		t.Errorf("summary: %q", s)
	}
	if got := analysistest.Cell(t, rep, "trust.quality", "unpaired_ends", "count"); got != int64(2) {
		t.Errorf("unpaired_ends: %v", got)
	}
}

func TestTrustSaysWhatWasMoved(t *testing.T) {
	for _, c := range []struct {
		most int64
		want string
	}{{100_000, ""}, {18_400_000, "odd: events moved at switches of generations, by up to 18.4 ms: 7"}} {
		tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: 1e9, Last: 1e9, Events: 100, Quality: parse.Quality{Moved: 7, LargestMove: c.most}}
		as := []*analysis.Analyzer{Trust}
		rep := analysis.Conclude(tr, "moved", analysis.NewPartial(as), as, nil)
		s := rep.Results[0].Summary
		if got := strings.Join(s[1:], "\n"); got != c.want {
			t.Errorf("moved by up to %d ns: %q, want %q", c.most, got, c.want)
		}
	}
}

// The tracer's price is that of the events per time of busy Ps.
func TestTrustCost(t *testing.T) {
	tr := &parse.Trace{Symbols: &parse.Symbols{}, Version: 26, To: 1e9, Last: 1e9, Events: 100_000}
	as := []*analysis.Analyzer{Trust}
	p := analysis.NewPartial(as)
	e := analysistest.ProcLife(0, 0, 5e8, 0, 5e8)
	p.Event(&e)
	rep := analysis.Conclude(tr, "cost", p, as, nil)
	if got := fmt.Sprint(analysistest.Cell(t, rep, "trust.facts", "cost of tracing", "value")); !strings.HasPrefix(got, "2 % to 3 % ") {
		t.Errorf("100,000 events of 100 to 150 ns beside 500 ms: %s", got)
	}
	analysistest.WantMetrics(t, rep, map[string]float64{"trace.events_per_s": 100_000})
}
