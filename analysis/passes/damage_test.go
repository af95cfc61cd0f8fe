package passes

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// A subject is a trace that is damaged in every way.
type subject struct {
	name    string
	version int
	data    []byte
	parts   []tracetest.Part // none of a trace of Go 1.21
	rng     *rand.Rand
	whole   *analysis.Report
	prefix  map[int]*analysis.Report // by generations: the reports of the first ones alone
}

// outcomes counts what became of the damaged copies.
type outcomes struct {
	n                               int
	partial                         map[int]int // by generations that were analysed
	truncated, corrupt, unsupported int         // refused
	same, told, silent              int         // complete: the same report; another that says it is odd; another
}

// TestDamage counts what becomes of damaged traces, by version and damage, in
// testdata/damage.txt. Each report fits together; an incomplete one says so in its first
// line and has the numbers of the whole generations, and of a format whose generations
// have an end mark nothing else.
func TestDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("some thousand traces")
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-18s %-28s %5s %6s %6s %6s  %9s %7s %11s  %s\n", "trace", "damage", "tried", "same", "told", "silent", "truncated", "corrupt", "unsupported", "partial, by generations")
	for _, s := range subjects(t) {
		for _, d := range damages {
			o := outcomes{partial: make(map[int]int)}
			d.each(s, func(data []byte) { s.try(t, d.name, data, &o) })
			if o.n == 0 {
				continue
			}
			if strings.HasPrefix(d.name, "cut") {
				// A cut after a generation leaves a trace that is whole.
				unseen := 0
				if d.name == "cut between batches" {
					unseen = s.whole.Trace.Generations - 1
				}
				if o.silent != unseen || o.told+o.same > 0 {
					t.Errorf("%s, %s: %d taken for whole, want %d", s.name, d.name, o.silent+o.told+o.same, unseen)
				}
			}
			fmt.Fprintln(&out, strings.TrimRight(fmt.Sprintf("%-18s %-28s %5d %6d %6d %6d  %9d %7d %11d  %s", s.name, d.name, o.n, o.same, o.told, o.silent, o.truncated, o.corrupt, o.unsupported, o.partials()), " "))
		}
	}
	path := filepath.Join("testdata", "damage.txt")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s is another now; rewrite it with -update and read the difference:\n%s", path, out.String())
	}
}

func subjects(t *testing.T) (all []*subject) {
	add := func(name string, version int, data []byte) {
		s := &subject{name: name, version: version, data: data, rng: rand.New(rand.NewPCG(uint64(version), uint64(len(data)))), prefix: make(map[int]*analysis.Report)}
		if version >= 22 {
			f, err := tracetest.Split(data)
			if err != nil {
				t.Fatal(err)
			}
			s.data, s.parts = f.Bytes(), f.Parts()
		}
		var err error
		if s.whole, err = s.analyze(s.data); err != nil || !s.whole.Trace.Complete {
			t.Fatal(name, err)
		}
		all = append(all, s)
	}
	for _, version := range []int{21, 22, 23, 25, 26} {
		name := fmt.Sprintf("mixed-go1%d", version)
		data, err := os.ReadFile(analysistest.Testdata(t, name))
		if err != nil {
			t.Fatal(err)
		}
		add(name, version, data)
	}
	for _, version := range []int{22, 25, 26} {
		data, _ := tracetest.Schedule(tracetest.Plan{Version: version, Seed: 7, Procs: 3, Steps: 800, Generations: 4})
		add(fmt.Sprintf("made-up go1.%d", version), version, data)
	}
	return all
}

// damages are ways to damage a trace, each with the copies to try.
var damages = []struct {
	name string
	each func(s *subject, try func([]byte))
}{
	{"cut between batches", func(s *subject, try func([]byte)) {
		for _, p := range s.parts {
			try(s.data[:p.From])
		}
	}},
	{"cut anywhere", func(s *subject, try func([]byte)) {
		for range 60 {
			at := s.rng.IntN(len(s.data))
			if slices.ContainsFunc(s.parts, func(p tracetest.Part) bool { return p.From == at }) {
				at++
			}
			try(s.data[:at])
		}
	}},
	{"bit of the file's header", func(s *subject, try func([]byte)) {
		for bit := range 16 * 8 {
			try(flip(s.data, bit/8, bit%8))
		}
	}},
	{"bit of a batch's header", func(s *subject, try func([]byte)) {
		for range 80 {
			if len(s.parts) > 0 {
				p := s.parts[s.rng.IntN(len(s.parts))]
				try(flip(s.data, p.From+s.rng.IntN(p.Data-p.From), s.rng.IntN(8)))
			}
		}
	}},
	{"bit of a clock", bitsOf("sync")},
	{"bit of a stack table", bitsOf("stacks")},
	{"bit of a string table", bitsOf("strings")},
	{"bit of an event", bitsOf("events")},
	{"bit anywhere", func(s *subject, try func([]byte)) {
		for range 50 {
			try(flip(s.data, 16+s.rng.IntN(len(s.data)-16), s.rng.IntN(8)))
		}
	}},
}

// bitsOf flips bits of the data of some batches.
func bitsOf(what string) func(s *subject, try func([]byte)) {
	return func(s *subject, try func([]byte)) {
		var at []int
		for _, p := range s.parts {
			for i := p.Data; i < p.To && p.What == what; i++ {
				at = append(at, i)
			}
		}
		for range min(50, 8*len(at)) {
			try(flip(s.data, at[s.rng.IntN(len(at))], s.rng.IntN(8)))
		}
	}
}

func flip(data []byte, at, bit int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 1 << bit
	return data
}

// These analyzers follow goroutines, Ps and time; the others follow the same events.
var damageAnalyzers = []*analysis.Analyzer{measures.Trust, measures.Latency, measures.Parallelism}

func (s *subject) analyze(data []byte) (*analysis.Report, error) {
	return analysis.Analyze(context.Background(), bytes.NewReader(data), s.name, analysis.Options{Jobs: 1}, damageAnalyzers)
}

// try counts what becomes of a damaged copy.
func (s *subject) try(t *testing.T, damage string, data []byte, o *outcomes) {
	o.n++
	rep, err := s.analyze(data)
	switch {
	case errors.Is(err, parse.ErrTruncated):
		o.truncated++
		return
	case errors.Is(err, parse.ErrCorrupt):
		o.corrupt++
		return
	case errors.Is(err, parse.ErrUnsupported):
		o.unsupported++
		return
	case err != nil:
		t.Errorf("%s, %s: %v", s.name, damage, err)
		return
	}
	for _, fault := range analysistest.Check(rep) {
		t.Errorf("%s, %s: %s", s.name, damage, fault)
	}
	says := rep.Results[0].Summary
	switch {
	case !rep.Trace.Complete:
		n := rep.Trace.Generations
		o.partial[n]++
		if says[0] != "INCOMPLETE: "+rep.Trace.Fault {
			t.Errorf("%s, %s: it begins with %q, the fault is %q", s.name, damage, says[0], rep.Trace.Fault)
		}
		// Before Go 1.26 some events of the generation that is cut may be read.
		if strings.HasPrefix(damage, "cut") && s.version >= 26 && !bytes.Equal(numbers(t, rep), numbers(t, s.first(t, n))) {
			t.Errorf("%s, %s: the numbers are not those of the first %d generations", s.name, damage, n)
		}
	case bytes.Equal(numbers(t, rep), numbers(t, s.whole)):
		o.same++
	case strings.Contains(says[0], "NOT all time accounted for") || odd(rep) > odd(s.whole):
		o.told++
	default:
		o.silent++
	}
}

// odd sums the counters of what is odd in a trace, but for names that are not told.
func odd(rep *analysis.Report) (n int64) {
	for _, tb := range rep.Results[0].Tables {
		for _, row := range tb.Rows {
			if tb.Name == "trust.quality" && row[0] != "unnamed_goroutines" {
				n += row[1].(int64)
			}
		}
	}
	return n
}

// first returns the report of the first n generations alone.
func (s *subject) first(t *testing.T, n int) *analysis.Report {
	if s.prefix[n] == nil {
		seen := 0
		i := slices.IndexFunc(s.parts, func(p tracetest.Part) bool {
			if p.What == "end" {
				seen++
			}
			return seen == n
		})
		rep, err := s.analyze(s.data[:s.parts[i].To])
		if err != nil || !rep.Trace.Complete {
			t.Fatalf("%s: the first %d generations: %v", s.name, n, err)
		}
		s.prefix[n] = rep
	}
	return s.prefix[n]
}

// numbers is a report without what says how whole its trace is.
func numbers(t *testing.T, rep *analysis.Report) []byte {
	c := *rep
	c.Trace.Bytes, c.Trace.Generations = 0, 0
	c.Trace.Complete, c.Trace.Fault, c.Trace.FaultKind = true, "", ""
	c.Metrics = make(map[string]analysis.Metric)
	for id, m := range rep.Metrics {
		if id != "trace.complete" && id != "trace.generations" {
			c.Metrics[id] = m
		}
	}
	c.Results = nil
	for _, r := range rep.Results {
		if r.Name != "trust" {
			c.Results = append(c.Results, r)
		}
	}
	return encode(t, &c)
}

func (o *outcomes) partials() string {
	var parts []string
	for n, times := range o.partial {
		parts = append(parts, fmt.Sprintf("%d: %d", n, times))
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(a, b) })
	return strings.Join(parts, ", ")
}
