package tracetest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// Text returns the trace as text, from which Parse makes one with the same events. Gone
// are how events were put into batches, numbers of strings and stacks, program counters
// and experimental batches. The trace must be sound.
func (f *File) Text() (string, error) {
	t := &texter{file: f, stacks: make(map[string]string)}
	generations, err := f.generations()
	if err != nil {
		return "", err
	}
	for i, g := range generations {
		if i == 0 {
			t.start = g.ns(g.from)
			fmt.Fprintf(&t.out, "go 1.%d exact start=%d\n", f.Version, t.start)
		}
		if err := t.generation(g); err != nil {
			return "", fmt.Errorf("generation %d: %w", g.number, err)
		}
	}
	return t.out.String(), nil
}

// genText is a generation on its way between the forms.
type genText struct {
	number  uint64
	from    uint64 // the earliest time of a batch, in units of the clock
	freq    uint64 // units per second
	unit    uint64 // ns; 0 if it is no whole number
	sync    uint64 // when the clocks were read
	mono    uint64
	sec     uint64
	nsec    uint64
	threads []uint64
	events  map[uint64][]timed // by thread, in its order
	strings map[uint64]string
	stacks  map[uint64]string // as text
	samples []Item
}

type timed struct {
	at uint64
	Item
}

func (g *genText) setFreq(freq uint64) {
	g.freq, g.unit = freq, 0
	if freq > 0 && 1_000_000_000%freq == 0 {
		g.unit = 1_000_000_000 / freq
	}
}

func (g *genText) ns(units uint64) int64 { return int64(units * g.unit) }

// generations gathers the batches.
func (f *File) generations() (all []*genText, err error) {
	byNumber := make(map[uint64]*genText)
	for i := range f.Batches {
		b := &f.Batches[i]
		if b.Kind == evEndOfGeneration {
			continue
		}
		g := byNumber[b.Gen]
		if g == nil {
			g = &genText{number: b.Gen, from: math.MaxUint64, events: make(map[uint64][]timed), strings: make(map[uint64]string), stacks: make(map[uint64]string)}
			byNumber[b.Gen] = g
			all = append(all, g)
		}
		g.from = min(g.from, b.Time)
		if b.Kind != evEventBatch || len(b.Items) == 0 {
			continue
		}
		g.take(b)
	}
	for _, g := range all {
		if err := g.takeStacks(f); err != nil {
			return nil, fmt.Errorf("generation %d: %w", g.number, err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no generation")
	}
	return all, nil
}

func (g *genText) take(b *Batch) {
	switch b.Items[0].Type {
	case evStrings:
		for _, it := range b.Items[1:] {
			g.strings[it.Args[0]] = it.Text
		}
	case evStacks:
		// They name strings that may come later.
	case evCPUSamples:
		g.samples = append(g.samples, b.Items[1:]...)
	case evSync, evFrequency:
		at := b.Time
		for _, it := range b.Items {
			switch it.Type {
			case evFrequency:
				g.setFreq(it.Args[0])
			case evClockSnapshot:
				at += it.Args[0]
				g.sync, g.mono, g.sec, g.nsec = at, it.Args[1], it.Args[2], it.Args[3]
			}
		}
	default:
		if _, ok := g.events[b.M]; !ok {
			g.threads = append(g.threads, b.M)
		}
		at := b.Time
		for _, it := range b.Items {
			at += it.Args[0]
			g.events[b.M] = append(g.events[b.M], timed{at, it})
		}
	}
}

// takeStacks spells the stacks out. As readers do, it takes the first frame with a
// program counter for all that have it.
func (g *genText) takeStacks(f *File) error {
	frames := make(map[uint64]string)
	for i := range f.Batches {
		b := &f.Batches[i]
		if b.Gen != g.number || b.Kind != evEventBatch || len(b.Items) == 0 || b.Items[0].Type != evStacks {
			continue
		}
		for _, it := range b.Items[1:] {
			var all []string
			for a := it.Args[2:]; len(a) >= 4; a = a[4:] {
				text, ok := frames[a[0]]
				if !ok {
					fn, ok1 := g.text(a[1])
					file, ok2 := g.text(a[2])
					if !ok1 || !ok2 {
						return fmt.Errorf("stack %d names a string that is not there", it.Args[0])
					}
					if a[0] != 0 || fn != "" { // PC 0: golang/go#68090
						text = frameText(Frame{fn, file, int(a[3])})
					}
					frames[a[0]] = text
				}
				if text != "" {
					all = append(all, text)
				}
			}
			g.stacks[it.Args[0]] = strings.Join(all, ",")
		}
	}
	return nil
}

func (g *genText) text(id uint64) (string, bool) {
	s, ok := g.strings[id]
	return s, ok || id == 0
}

// frameText spells a frame.
func frameText(f Frame) string {
	s := f.Func
	if f.File != "" || f.Line != 0 || f.Func == "" {
		s = fmt.Sprintf("%s@%s:%d", f.Func, f.File, f.Line)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r == ',' || !isWord(r) }) || s[0] == '$' || strings.Count(s, "@") > 1 {
		s = strconv.Quote(s)
	}
	return s
}

// isWord reports whether a string with r needs no quotes.
func isWord(r rune) bool { return r > ' ' && r < 0x7f && r != '"' && r != '#' && r != '\\' }

func word(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !isWord(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// texter writes the text of a trace.
type texter struct {
	file   *File
	out    strings.Builder
	start  int64
	stacks map[string]string // names by frames
}

func (t *texter) time(g *genText, at uint64) string {
	if g.unit == 0 {
		return fmt.Sprintf("%dt", at-g.from)
	}
	ns := g.ns(at) - t.start
	s := strconv.FormatInt(ns, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "_" + s[i:]
	}
	return s
}

func thread(m uint64) string {
	if m == None {
		return "none"
	}
	return fmt.Sprintf("m%d", m)
}

func (t *texter) generation(g *genText) error {
	if g.freq == 0 {
		return errors.New("it has no frequency")
	}
	fmt.Fprintf(&t.out, "\ngeneration %d", g.number)
	if g.unit != 0 {
		fmt.Fprintf(&t.out, " at=%s", t.time(g, g.from))
	} else {
		fmt.Fprintf(&t.out, " at=%dt", g.from)
	}
	fmt.Fprintf(&t.out, " frequency=%d", g.freq)
	if wire.Version(t.file.Version).HasSync() {
		fmt.Fprintf(&t.out, " clock=%s mono=%d wall=%d.%09d", t.time(g, g.sync), g.mono, g.sec, g.nsec)
	}
	type line struct {
		at     uint64
		m      uint64
		thread int
		it     Item
	}
	var lines []line
	for i, m := range g.threads {
		last := uint64(0)
		for _, e := range g.events[m] {
			if e.at < last || e.at < g.from {
				return fmt.Errorf("the time of thread %d goes back", m)
			}
			last = e.at
			lines = append(lines, line{e.at, m, i, e.Item})
		}
	}
	for _, it := range g.samples {
		lines = append(lines, line{it.Args[0], it.Args[1], len(g.threads), it})
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.thread, b.thread))
	})
	var seen []uint64
	for _, l := range lines {
		if l.it.Type != evCPUSample && !slices.Contains(seen, l.m) {
			seen = append(seen, l.m)
		}
	}
	if !slices.Equal(seen, g.threads) {
		for i, m := range g.threads {
			t.out.WriteString(strings.Repeat(",", min(i, 1)))
			if i == 0 {
				t.out.WriteString(" threads=")
			}
			t.out.WriteString(thread(m))
		}
	}
	t.out.WriteString("\n")
	for _, l := range lines {
		if err := t.event(g, l.at, l.m, l.it); err != nil {
			return err
		}
	}
	return nil
}

func (t *texter) event(g *genText, at, m uint64, it Item) error {
	spec := &wire.Specs[it.Type]
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %s", t.time(g, at), thread(m), spec.Name)
	for i, arg := range spec.Args {
		v := it.Args[i]
		switch arg.Kind {
		case wire.ArgDelta, wire.ArgTime:
			continue
		case wire.ArgString:
			s, ok := g.text(v)
			if !ok {
				return fmt.Errorf("%s: string %d is not there", spec.Name, v)
			}
			if s != "" {
				fmt.Fprintf(&line, " %s=%s", arg.Name, word(s))
			}
			continue
		case wire.ArgStack:
			frames, ok := g.stacks[v]
			if !ok && v != 0 {
				return fmt.Errorf("%s: stack %d is not there", spec.Name, v)
			}
			if frames == "" {
				continue
			}
			name, ok := t.stacks[frames]
			if !ok {
				name = fmt.Sprintf("$%d", len(t.stacks)+1)
				t.stacks[frames] = name
				fmt.Fprintf(&t.out, "%s = %s\n", name, frames)
			}
			fmt.Fprintf(&line, " %s=%s", arg.Name, name)
			continue
		case wire.ArgM:
			if it.Type == evCPUSample {
				continue
			}
		}
		fmt.Fprintf(&line, " %s=%s", arg.Name, numberText(arg.Kind, v))
	}
	t.out.WriteString(line.String())
	t.out.WriteString("\n")
	return nil
}

func numberText(kind wire.ArgKind, v uint64) string {
	names := statusNames(kind)
	switch {
	case v < uint64(len(names)):
		return names[v]
	case v == None:
		return "none"
	}
	return strconv.FormatUint(v, 10)
}

func statusNames(kind wire.ArgKind) []string {
	switch kind {
	case wire.ArgGoStatus:
		return wire.GoStatusNames[:]
	case wire.ArgProcStatus:
		return wire.ProcStatusNames[:]
	}
	return nil
}
