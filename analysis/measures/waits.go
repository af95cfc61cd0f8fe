package measures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

var Waits = &analysis.Analyzer{
	Name:  "waits",
	Doc:   say.Page(pages, "waits"),
	Kinds: parse.KindsOf(parse.KindGoRunnable, parse.KindProc),
	New:   func() analysis.Collector { return newWaitsFold() },
	Run:   runWaits,
	Figures: []analysis.FigureDef{
		{Name: "waits.cause", Doc: "what waiting for a P was made of", From: []analysis.From{{Metric: "sched.latency.user.p99", Value: 1e6}, {Metric: "sched.latency.user.max", Value: 10e6}}},
		{Name: "waits.ready", Doc: "what waiting for a P was made of, by how the goroutine became runnable"},
		{Name: "waits.function", Doc: "who made user goroutines wait for a P"},
	},
}

// WaitsFold holds what the waits of user goroutines for a P were made of, and
// what Ps did meanwhile. Whole waits are those of awaitsP.
type WaitsFold struct {
	whole   [parse.NumReady]WaitParts // waits that began and ended in the trace
	apart   WaitParts                 // cut by an edge of the trace
	mostly  [parse.NumCauses]int64    // whole waits of which this is the largest part
	longest [parse.NumCauses]int64    // ns, the longest part
	worst   *sketch.Top[worstWait]

	byFunc [parse.NumProcStates]tally.ByID[parse.StringID, blame] // by entry function
	bySite [parse.NumProcStates]tally.ByID[parse.StackID, blame]  // where the goroutine stopped or entered its system call; spans with blame only
}

type WaitParts struct {
	n, Total int64
	Parts    [parse.NumCauses]int64
}

func (w *WaitParts) Add(o *WaitParts) {
	w.n += o.n
	w.Total += o.Total
	for c, v := range o.Parts {
		w.Parts[c] += v
	}
}

// blame is what spans of Ps have in the waits of user goroutines, in ns.
type blame struct{ Waits, pTime, contended int64 }

func (b *blame) add(o *blame) {
	b.Waits += o.Waits
	b.pTime += o.pTime
	b.contended += o.contended
}

func (b *blame) span(s *parse.Proc, held int64) {
	b.Waits += s.Blame
	b.pTime += held
	b.contended += s.Contended
}

func newWaitsFold() *WaitsFold {
	return &WaitsFold{worst: sketch.NewTop[worstWait](worstWaits)}
}

// WantsProc wants what kept Ps from running something else.
func (f *WaitsFold) WantsProc(from, _ parse.ProcState) bool {
	const kept = 1<<parse.ProcUndetermined | 1<<parse.ProcNotExist | 1<<parse.ProcIdle | 1<<parse.ProcStopped
	return kept>>(from&63)&1 == 0
}

func (f *WaitsFold) Event(e *parse.Event) {
	if e.Kind != parse.KindProc {
		f.wait(e)
		return
	}
	s := e.Proc
	if !f.WantsProc(s.From, s.To) {
		return
	}
	held := int64(e.Time - s.Since)
	f.byFunc[s.From].At(s.Func).span(s, held)
	if s.Blame > 0 && hasSite(s.From) {
		f.bySite[s.From].At(s.Stack).span(s, held)
	}
}

// wait adds the wait of a goroutine for a P.
func (f *WaitsFold) wait(e *parse.Event) {
	g := e.Go
	if g.From != parse.GoRunnable || !awaitsP(g) {
		return
	}
	held := int64(e.Time - g.Since)
	if g.Partial || g.To != parse.GoRunning {
		f.apart.n++
		f.apart.Total += held
		return
	}
	whole := &f.whole[g.Ready]
	whole.n++
	whole.Total += held
	const last = int64(parse.NumCauses) - 1
	most := last // the largest part, and last less its cause: the first of equals
	for c := range whole.Parts {
		if v := g.Wait[c]; v != 0 { // as few are
			whole.Parts[c] += v
			f.longest[c] = max(f.longest[c], v)
			most = max(most, v*(last+1)+last-int64(c))
		}
	}
	f.mostly[last-most%(last+1)]++
	if f.worst.Wants(held) {
		f.worst.Add(sketch.Key{Value: held, Time: int64(g.Since), ID: int64(g.ID)}, newWorstWait(g))
	}
}

// hasSite reports whether the place where such a span ended says what it was for.
func hasSite(s parse.ProcState) bool {
	return s == parse.ProcUser || s == parse.ProcAssist || s == parse.ProcSyscall
}

func (f *WaitsFold) Merge(next analysis.Collector) {
	o := next.(*WaitsFold)
	for r := range f.whole {
		f.whole[r].Add(&o.whole[r])
	}
	f.apart.Add(&o.apart)
	for c := range f.mostly {
		f.mostly[c] += o.mostly[c]
		f.longest[c] = max(f.longest[c], o.longest[c])
	}
	f.worst.Merge(o.worst)
	for s := range f.byFunc {
		f.byFunc[s].Merge(&o.byFunc[s], (*blame).add)
		f.bySite[s].Merge(&o.bySite[s], (*blame).add)
	}
}

func runWaits(p *analysis.Pass) error {
	f := analysis.Fold[*WaitsFold](p)
	all := f.All()
	var sum int64
	for _, v := range all.Parts {
		sum += v
	}
	if sum != all.Total {
		return fmt.Errorf("the parts of all waits sum to %d ns, the waits to %d ns", sum, all.Total)
	}
	if all.n+f.apart.n == 0 {
		p.Say("no user goroutine waited for a P in %s, yields left out", p.Dur(p.Trace.Duration()))
		return nil
	}
	if p.Brief() {
		return nil
	}

	causes := waitsByCause(f, &all)
	who := blameTable("waits.function", "who made user goroutines wait for a P: what the Ps were doing, by entry function",
		"function", f.apart.n+all.n, f.apart.Total+all.Total, blamedFuncs(p, f))
	sites := blameTable("waits.site", "the same, by where the goroutine stopped running or entered its system call",
		"site", f.apart.n+all.n, f.apart.Total+all.Total, blamedSites(p, f))
	sayWaits(p, f, &all, who)
	p.Table(causes)
	p.Table(who)
	p.Table(sites)
	p.Table(waitsByReady(f, &all))
	p.Table(waitsWorst(p, f, &all))

	p.Figure(analysis.Figure{
		Name: "waits.cause", Title: waitsTitle(p, &all),
		Mark: analysis.Bars, Table: causes.Name, X: "cause", Y: []string{"total"},
	})
	p.Figure(analysis.Figure{
		Name: "waits.ready", Title: waitsReadyTitle(f, &all),
		Mark: analysis.Matrix, Table: "waits.ready", X: "kept by", Y: []string{"total"}, Series: "ready by",
	})
	p.Figure(analysis.Figure{
		Name: "waits.function", Title: waitsWhoTitle(p, who),
		Mark: analysis.Bars, Table: who.Name, X: "function", Y: []string{"waits"}, Series: "P was",
	})
	return nil
}

func waitsTitle(p *analysis.Pass, all *WaitParts) string {
	c, ns := Largest(&all.Parts)
	return fmt.Sprintf("User goroutines waited %s for a P; %s of it: %s", p.Dur(all.Total), analysis.FormatRatio(say.Ratio(ns, all.Total)), CauseTexts[c])
}

func waitsReadyTitle(f *WaitsFold, all *WaitParts) string {
	var ready parse.Ready
	var cause parse.Cause
	var most int64
	for r := range f.whole {
		if c, ns := Largest(&f.whole[r].Parts); ns > most {
			ready, cause, most = parse.Ready(r), c, ns
		}
	}
	return fmt.Sprintf("Of waiting for a P the largest part, %s: %s, %s", analysis.FormatRatio(say.Ratio(most, all.Total)), say.ReadyWord(ready), CauseTexts[cause])
}

func waitsWhoTitle(p *analysis.Pass, who *analysis.Table) string {
	if len(who.Rows) == 0 {
		return ""
	}
	r := who.Rows[0]
	what := fmt.Sprintf("with %s (%s)", say.Brief(r[0].(string)), r[1])
	if strings.HasPrefix(r[0].(string), "(") {
		what = fmt.Sprintf("in state %s", r[1])
	}
	return fmt.Sprintf("User goroutines waited %s, %s of all, for Ps %s", p.Dur(r[2].(int64)), analysis.FormatRatio(r[3].(float64)), what)
}

func sayWaits(p *analysis.Pass, f *WaitsFold, all *WaitParts, who *analysis.Table) {
	if all.n > 0 {
		var order []parse.Cause
		for c, v := range all.Parts {
			if v > 0 && say.Ratio(v, all.Total) >= .01 {
				order = append(order, parse.Cause(c))
			}
		}
		slices.SortStableFunc(order, func(a, b parse.Cause) int { return cmp.Compare(all.Parts[b], all.Parts[a]) })
		var parts []string
		for _, c := range order[:min(4, len(order))] {
			parts = append(parts, analysis.FormatRatio(say.Ratio(all.Parts[c], all.Total))+" "+CauseTexts[c])
		}
		p.Say("%s of user goroutines waiting for a P (n=%s, yields left out): %s",
			p.Dur(all.Total), analysis.FormatCount(all.n), strings.Join(parts, ", "))
	}
	var holders []string
	for _, r := range who.Rows {
		if share := r[3].(float64); share >= .01 && r[1] != parse.ProcScheduler.String() && len(holders) < 3 {
			holders = append(holders, fmt.Sprintf("%s (%s) %s", r[0], r[1], analysis.FormatRatio(share)))
		}
	}
	if len(holders) > 0 {
		p.Say("who held the Ps, in shares of all waiting: %s", strings.Join(holders, ", "))
	}
	if f.apart.n > 0 {
		p.Say("%s apart (%s): cut by an edge of the trace", say.Counted(f.apart.n, "wait", "waits"), p.Dur(f.apart.Total))
	}
}

func waitsByCause(f *WaitsFold, all *WaitParts) *analysis.Table {
	t := &analysis.Table{
		Name: "waits.cause", Title: "user goroutines: what waits for a P were made of, without yields and waits set apart", N: all.n,
		Columns: []analysis.Column{
			{Name: "cause", Unit: analysis.Text}, {Name: "total", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "share", Unit: analysis.Ratio},
			{Name: "mostly", Unit: analysis.Count}, {Name: "longest", Unit: analysis.NS, Polarity: analysis.Lower},
		},
	}
	var order []parse.Cause
	for c := range all.Parts {
		if all.Parts[c] != 0 {
			order = append(order, parse.Cause(c))
		}
	}
	slices.SortStableFunc(order, func(a, b parse.Cause) int { return cmp.Compare(all.Parts[b], all.Parts[a]) })
	for _, c := range order {
		t.Add(CauseTexts[c], all.Parts[c], say.Ratio(all.Parts[c], all.Total), f.mostly[c], f.longest[c])
	}
	return t
}

// keptBy is what kept the Ps in a word or two.
var keptBy = [parse.NumCauses]string{"user", "runtime", "GC", "STW", "wake-up", "calls", "scheduler", "unknown"}

// waitsByReady has every pair of how goroutines became runnable and a cause.
func waitsByReady(f *WaitsFold, all *WaitParts) *analysis.Table {
	t := &analysis.Table{
		Name: "waits.ready", Title: "user goroutines: what waits for a P were made of, by how they became runnable", N: all.n, Detail: true,
		Columns: []analysis.Column{
			{Name: "ready by", Unit: analysis.Text}, {Name: "cause", Unit: analysis.Text}, {Name: "n", Unit: analysis.Count},
			{Name: "total", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "share", Unit: analysis.Ratio}, {Name: "kept by", Unit: analysis.Text},
		},
	}
	for r := range f.whole {
		for c, v := range f.whole[r].Parts {
			if v != 0 {
				t.Add(say.ReadyWord(parse.Ready(r)), CauseTexts[c], f.whole[r].n, v, say.Ratio(v, all.Total), keptBy[c])
			}
		}
	}
	return t
}

// waitsWorst has the longest waits with all their parts.
func waitsWorst(p *analysis.Pass, f *WaitsFold, all *WaitParts) *analysis.Table {
	t := &analysis.Table{
		Name: "waits.worst", Title: "user goroutines: longest waits for a P and what they were made of", N: all.n, Detail: true,
		Columns: []analysis.Column{
			{Name: "at", Unit: analysis.Moment}, {Name: "wait", Unit: analysis.NS, Polarity: analysis.Lower},
			{Name: "G", Unit: analysis.G}, {Name: "function", Unit: analysis.Text}, {Name: "ready by", Unit: analysis.Text},
		},
	}
	for c := range parse.NumCauses {
		t.Columns = append(t.Columns, analysis.Column{Name: c.String(), Unit: analysis.NS, Polarity: analysis.Lower})
	}
	for _, e := range f.worst.Items() {
		w := &e.Item
		cells := []any{p.Rel(w.Since), e.Value, int64(w.G), p.FuncName(w.Fn), say.ReadyWord(w.Ready)}
		for _, v := range w.Parts {
			cells = append(cells, v)
		}
		t.Add(cells...)
	}
	return t
}

// blamed is a span's function or site, and what the P was doing.
type blamed struct {
	id    uint32
	state parse.ProcState
}

func blamedFuncs(p *analysis.Pass, f *WaitsFold) []tally.Ranked[blame] {
	m := make(map[blamed]*blame)
	for s := range f.byFunc {
		for fn, b := range f.byFunc[s].ByKey() {
			m[blamed{uint32(fn), parse.ProcState(s)}] = b
		}
	}
	return rankBlame(m, func(k blamed) string {
		switch k.state {
		case parse.ProcScheduler:
			return "(no goroutine)"
		case parse.ProcWorker:
			return "runtime.gcBgMarkWorker" // also before anything told its name
		}
		return p.FuncName(parse.StringID(k.id))
	})
}

// blamedSites has the sites of user work and system calls, and one row for each
// of the other things a P does.
func blamedSites(p *analysis.Pass, f *WaitsFold) []tally.Ranked[blame] {
	m := make(map[blamed]*blame)
	for i := range f.byFunc {
		s := parse.ProcState(i)
		if !hasSite(s) {
			for _, b := range f.byFunc[s].ByKey() {
				tally.At(m, blamed{0, s}).add(b)
			}
			continue
		}
		for stack, b := range f.bySite[s].ByKey() {
			m[blamed{uint32(stack), s}] = b
		}
	}
	return rankBlame(m, func(k blamed) string {
		if !hasSite(k.state) {
			return "(all)"
		}
		return p.SiteName(parse.StackID(k.id))
	})
}

func rankBlame(m map[blamed]*blame, name func(blamed) string) []tally.Ranked[blame] {
	return tally.Rank(m, func(k blamed) tally.Label { return tally.Label{name(k), k.state.String()} },
		(*blame).add, func(b *blame) int64 { return b.Waits })
}

// blameTable has the rows with a part in n waits of total ns.
func blameTable(name, title, what string, n, total int64, rows []tally.Ranked[blame]) *analysis.Table {
	t := &analysis.Table{
		Name: name, Title: title + " (of all waiting)", N: n,
		Columns: []analysis.Column{
			{Name: what, Unit: analysis.Text}, {Name: "P was", Unit: analysis.Text},
			{Name: "waits", Unit: analysis.NS, Polarity: analysis.Lower}, {Name: "share", Unit: analysis.Ratio},
			{Name: "P time", Unit: analysis.NS}, {Name: "contended", Unit: analysis.NS},
		},
	}
	for _, r := range rows {
		if r.V.Waits > 0 {
			t.Add(r.Label[0], r.Label[1], r.V.Waits, say.Ratio(r.V.Waits, total), r.V.pTime, r.V.contended)
		}
	}
	t.Limit(10)
	return t
}
