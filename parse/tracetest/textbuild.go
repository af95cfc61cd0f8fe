package tracetest

import (
	"slices"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// endGeneration writes what there is of a generation.
func (p *parser) endGeneration() {
	g := p.g
	if g == nil {
		return
	}
	v := wire.Version(p.file.Version)
	add := func(m, at uint64, items []Item) {
		p.file.Batches = append(p.file.Batches, Batch{Kind: evEventBatch, Gen: g.number, M: m, Time: at, Items: items})
	}
	for _, m := range g.threads {
		for events := g.events[m]; len(events) > 0; {
			at, last := events[0].at, events[0].at
			var items []Item
			for len(events) > 0 && len(items) < maxBatchItems {
				e := events[0]
				e.Args[0], last = e.at-last, e.at
				items = append(items, e.Item)
				events = events[1:]
			}
			add(m, at, items)
		}
	}
	for samples := range slices.Chunk(g.samples, maxBatchItems) {
		add(None, g.from, append([]Item{{Type: evCPUSamples}}, samples...))
	}
	sync := []Item{{Type: evFrequency, Args: []uint64{g.freq}}}
	if v.HasSync() {
		sync = append([]Item{{Type: evSync}}, append(sync, Item{Type: evClockSnapshot, Args: []uint64{g.sync - g.from, g.mono, g.sec, g.nsec}})...)
	}
	add(None, g.from, sync)
	table := func(kind Type, entries []Item) {
		batch, size := []Item{{Type: kind}}, 0
		for _, it := range entries {
			n := 10*(1+len(it.Args)) + len(it.Text)
			if size += n; size > maxBatch {
				add(None, g.from, batch)
				batch, size = []Item{{Type: kind}}, n
			}
			batch = append(batch, it)
		}
		add(None, g.from, batch)
	}
	table(evStacks, p.stackTable())
	table(evStrings, p.stringTable())
	if v.MarksEnds() {
		p.file.Batches = append(p.file.Batches, Batch{Kind: evEndOfGeneration})
	}
}

// maxBatchItems of an event, at most 51 bytes each, are below the 64 KiB that a batch
// may have.
const maxBatchItems = 1200

// stackTable gives every frame a program counter of its own, and names its strings.
func (p *parser) stackTable() (table []Item) {
	pcs := make(map[Frame]uint64)
	for i, text := range p.frames {
		frames, _ := framesOf(text)
		it := Item{Type: evStack, Args: []uint64{uint64(i + 1), uint64(len(frames))}}
		for _, f := range frames {
			pc := pcs[f]
			if pc == 0 {
				pc = uint64(len(pcs) + 1)
				pcs[f] = pc
			}
			it.Args = append(it.Args, pc, p.string(f.Func), p.string(f.File), uint64(f.Line))
		}
		table = append(table, it)
	}
	return table
}

func (p *parser) stringTable() (table []Item) {
	for i, s := range p.texts {
		table = append(table, Item{Type: evString, Args: []uint64{uint64(i + 1), uint64(len(s))}, Text: s})
	}
	return table
}
