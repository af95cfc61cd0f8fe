package tracetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// A File is a trace of Go 1.22 or later in its parts, to be changed and written again.
type File struct {
	Version int
	Batches []Batch
}

// A Batch is one batch of a File, or the mark that ends a generation.
type Batch struct {
	Kind  Type // evEventBatch, evExperimentalBatch or evEndOfGeneration
	Gen   uint64
	M     uint64
	Time  uint64
	Items []Item
	Raw   []byte // of an experimental batch: its number and its data
	Claim uint64 // the size that the header tells, if not the true one
}

// An Item is an event of a batch, or an entry of a table.
type Item struct {
	Type Type
	Args []uint64 // as they are written; of an event of a thread the time since the one before comes first
	Text string   // of evString
}

// shapes say what the numbers of an item are, as wire.ArgKind does, but that statuses
// are numbers like others; "-" is no item. The frames of evStack follow its numbers.
var shapes = func() (s [256]string) {
	for typ := range s {
		spec := &wire.Specs[typ]
		if spec.Name == "" || typ == wire.EvEventBatch || typ == wire.EvExperimentalBatch || typ == wire.EvEndOfGeneration {
			s[typ] = "-"
		}
		for _, arg := range spec.Args {
			if arg.Kind == wire.ArgGoStatus || arg.Kind == wire.ArgProcStatus {
				arg.Kind = wire.ArgNumber
			}
			s[typ] += string(arg.Kind)
		}
	}
	return s
}()

// Split takes a sound trace apart.
func Split(data []byte) (*File, error) {
	f := new(File)
	if len(data) < 16 {
		return nil, errors.New("no header")
	}
	if _, err := fmt.Sscanf(string(data[:16]), "go 1.%d trace", &f.Version); err != nil {
		return nil, err
	}
	r := bytes.NewBuffer(data[16:])
	for r.Len() > 0 {
		b := Batch{}
		kind, _ := r.ReadByte()
		b.Kind = Type(kind)
		if b.Kind == evEndOfGeneration {
			f.Batches = append(f.Batches, b)
			continue
		}
		if b.Kind != evEventBatch && b.Kind != evExperimentalBatch {
			return nil, fmt.Errorf("batch of kind %d", kind)
		}
		if b.Kind == evExperimentalBatch {
			b.Raw = append(b.Raw, r.Next(1)...)
		}
		var size uint64
		for _, v := range []*uint64{&b.Gen, &b.M, &b.Time, &size} {
			var err error
			if *v, err = binary.ReadUvarint(r); err != nil {
				return nil, err
			}
		}
		if uint64(r.Len()) < size {
			return nil, errors.New("cut batch")
		}
		part := bytes.NewBuffer(r.Next(int(size)))
		if b.Kind == evExperimentalBatch {
			b.Raw = append(b.Raw, part.Bytes()...)
			part = new(bytes.Buffer)
		}
		for part.Len() > 0 {
			it, err := readItem(part)
			if err != nil {
				return nil, err
			}
			b.Items = append(b.Items, it)
		}
		f.Batches = append(f.Batches, b)
	}
	return f, nil
}

func readItem(r *bytes.Buffer) (it Item, err error) {
	typ, _ := r.ReadByte()
	it.Type = Type(typ)
	if shapes[typ] == "-" {
		return it, fmt.Errorf("event %d", typ)
	}
	for n := len(shapes[typ]); len(it.Args) < n; {
		v, err := binary.ReadUvarint(r)
		if err != nil {
			return it, err
		}
		if it.Args = append(it.Args, v); it.Type == evStack && len(it.Args) == 2 {
			n += 4 * int(v)
		}
	}
	if it.Type == evString {
		it.Text = string(r.Next(int(it.Args[1])))
	}
	return it, nil
}

// Bytes writes the trace. It checks nothing.
func (f *File) Bytes() []byte {
	out := fmt.Appendf(nil, "go 1.%d trace\x00\x00\x00", f.Version)
	for i := range f.Batches {
		out = f.Batches[i].append(out)
	}
	return out
}

func (b *Batch) append(out []byte) []byte {
	head, data := b.split()
	return append(append(out, head...), data...)
}

// split returns the bytes of the header and of the data.
func (b *Batch) split() (head, data []byte) {
	if head = append(head, byte(b.Kind)); b.Kind == evEndOfGeneration {
		return head, nil
	}
	data = slices.Clone(b.Raw)
	if b.Kind == evExperimentalBatch && len(data) > 0 {
		head, data = append(head, data[0]), data[1:]
	}
	for _, it := range b.Items {
		data = append(data, byte(it.Type))
		for _, v := range it.Args {
			data = binary.AppendUvarint(data, v)
		}
		data = append(data, it.Text...)
	}
	size := b.Claim
	if size == 0 {
		size = uint64(len(data))
	}
	for _, v := range []uint64{b.Gen, b.M, b.Time, size} {
		head = binary.AppendUvarint(head, v)
	}
	return head, data
}

// Clone returns a copy that shares nothing with f that Each or Mutate changes.
func (f *File) Clone() *File {
	c := &File{f.Version, slices.Clone(f.Batches)}
	for i := range c.Batches {
		c.Batches[i] = c.Batches[i].clone()
	}
	return c
}

func (b Batch) clone() Batch {
	b.Items = slices.Clone(b.Items)
	for i := range b.Items {
		b.Items[i].Args = slices.Clone(b.Items[i].Args)
	}
	return b
}

// Each calls f with every number of the trace and what it is: see shapes. The thread
// and the time of a batch are among them; what is no thread, goroutine or P is not.
func (f *File) Each(change func(what byte, v *uint64)) {
	for i := range f.Batches {
		b := &f.Batches[i]
		if b.Kind == evEndOfGeneration {
			continue
		}
		change('T', &b.Time)
		if b.M != None {
			change('m', &b.M)
		}
		for _, it := range b.Items {
			for k, what := range []byte(shapes[it.Type]) {
				if k < len(it.Args) && what != '-' && (it.Args[k] != None || what == 'n') {
					change(what, &it.Args[k])
				}
			}
		}
	}
}

// AddIdle adds a generation in which nothing happens, as the last or the first one.
func (f *File) AddIdle(first bool) {
	sync := f.Batches[slices.IndexFunc(f.Batches, func(b Batch) bool {
		return len(b.Items) > 0 && (b.Items[0].Type == evSync || b.Items[0].Type == evFrequency)
	})].clone()
	was := sync.Time
	for i := range f.Batches {
		b := &f.Batches[i]
		switch {
		case b.Kind == evEndOfGeneration:
		case first:
			sync.Time = min(sync.Time, b.Time) // no event is earlier than its Sync
			b.Gen++
		default:
			sync.Gen, sync.Time = max(sync.Gen, b.Gen+1), max(sync.Time, b.Time+1)
		}
	}
	of := func(typ Type) int { return slices.IndexFunc(sync.Items, func(it Item) bool { return it.Type == typ }) }
	if i := of(evClockSnapshot); first && i >= 0 {
		sync.Items[i].Args[0] += was - sync.Time
	} else if f := of(evFrequency); i >= 0 && f >= 0 { // the wall clock went on as well
		passed := float64(sync.Time-was) / float64(sync.Items[f].Args[0])
		a := sync.Items[i].Args // time, mono, sec, nsec
		ns := a[3] + uint64(passed*1e9)
		a[2], a[3] = a[2]+ns/1e9, ns%1e9
	}
	idle := []Batch{sync, {Kind: evEventBatch, Gen: sync.Gen, M: None, Time: sync.Time, Items: []Item{{Type: evStrings}}}}
	if wire.Version(f.Version).MarksEnds() {
		idle = append(idle, Batch{Kind: evEndOfGeneration})
	}
	if first {
		f.Batches = append(idle, f.Batches...)
	} else {
		f.Batches = append(f.Batches, idle...)
	}
}

// Samples returns traces of every version to begin from: those of a folder that are
// small, and made-up ones.
func Samples(dir string) ([]*File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.trace"))
	if err != nil {
		return nil, err
	}
	var all []*File
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if len(data) > 16<<10 || bytes.HasPrefix(data, []byte("go 1.21")) {
			continue
		}
		f, err := Split(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, f)
	}
	for _, version := range []int{22, 23, 25, 26} {
		for seed := range uint64(3) {
			data, _ := Schedule(Plan{Version: version, Seed: seed, Procs: 1 + 3*int(seed), Steps: 200, Generations: 3})
			f, err := Split(data)
			if err != nil {
				return nil, err
			}
			all = append(all, f)
		}
	}
	return all, nil
}

// A Part is where the bytes of a batch lie in what Bytes returns: its header at
// From, its data up to To.
type Part struct {
	From, Data, To int
	What           string // events, stacks, strings, samples, sync, experimental, end
}

// Parts returns where the batches lie.
func (f *File) Parts() []Part {
	var parts []Part
	at := 16
	for i := range f.Batches {
		b := &f.Batches[i]
		head, data := b.split()
		p := Part{at, at + len(head), at + len(head) + len(data), "events"}
		at = p.To
		switch {
		case b.Kind == evEndOfGeneration:
			p.What = "end"
		case b.Kind == evExperimentalBatch:
			p.What = "experimental"
		case len(b.Items) > 0:
			switch b.Items[0].Type {
			case evStacks:
				p.What = "stacks"
			case evStrings:
				p.What = "strings"
			case evCPUSamples:
				p.What = "samples"
			case evSync, evFrequency:
				p.What = "sync"
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// Rebatch gives every event of a thread a batch of its own, where its time allows.
func (f *File) Rebatch() {
	var all []Batch
	for _, b := range f.Batches {
		if b.Kind != evEventBatch || len(b.Items) == 0 || !strings.HasPrefix(shapes[b.Items[0].Type], "t") {
			all = append(all, b)
			continue
		}
		at := b.Time
		for _, it := range b.Items {
			// A batch's time is that of its first event's predecessor, and 0 is none.
			one := Batch{Kind: b.Kind, Gen: b.Gen, M: b.M, Time: at, Items: []Item{it}}
			at += it.Args[0]
			all = append(all, one)
		}
	}
	f.Batches = all
}
