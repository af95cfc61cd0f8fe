package tracetest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/parse/internal/wire"
)

// Parse makes a trace of its text form: see the package's comment. Errors say in which
// line.
func Parse(text string) (*File, error) {
	p := &parser{file: new(File), names: make(map[string]string), start: 1e9}
	for line := range strings.SplitSeq(text, "\n") {
		p.line++
		if err := p.parseLine(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	if p.file.Version == 0 {
		return nil, fmt.Errorf("line %d: no version; a trace begins with a line like \"go 1.26\"", p.line)
	}
	p.endGeneration()
	return p.file, nil
}

// Binary returns the bytes of the trace that text tells. It panics when Parse fails.
func Binary(text string) []byte {
	f, err := Parse(text)
	if err != nil {
		panic("tracetest: " + err.Error())
	}
	return f.Bytes()
}

type parser struct {
	file  *File
	line  int
	exact bool
	start int64             // ns
	names map[string]string // frames by "$name"
	fill  *filler           // nil if exact

	g       *genText
	strings map[string]uint64 // of g
	texts   []string
	stacks  map[string]uint64
	frames  []string // by number-1, as text
	now     uint64   // of the line before, in units of g
	m       uint64   // of the line before
	hasM    bool
}

// tokens splits a line at spaces outside quotes and cuts a comment off.
func tokens(line string) (all []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			return all, nil
		}
		end := 0
		for end < len(line) && line[end] != ' ' && line[end] != '\t' && line[end] != '\r' {
			if line[end] != '"' {
				end++
				continue
			}
			quoted, err := strconv.QuotedPrefix(line[end:])
			if err != nil {
				return nil, fmt.Errorf("a quote does not end: %s", line[end:])
			}
			end += len(quoted)
		}
		all = append(all, line[:end])
		line = line[end:]
	}
}

func (p *parser) parseLine(line string) error {
	words, err := tokens(line)
	switch {
	case err != nil:
		return err
	case len(words) == 0:
		return nil
	case p.file.Version == 0:
		return p.header(words)
	case words[0] == "generation":
		return p.generation(words[1:])
	case strings.HasPrefix(words[0], "$"):
		if len(words) != 3 || words[1] != "=" {
			return fmt.Errorf("a stack is named so: $name = frames")
		}
		p.names[words[0]] = words[2]
		return nil
	}
	return p.event(words)
}

func (p *parser) header(words []string) error {
	if len(words) < 2 || words[0] != "go" {
		return fmt.Errorf("a trace begins with a line like \"go 1.26\"")
	}
	var v int
	if n, err := fmt.Sscanf(words[1], "1.%d", &v); n != 1 || err != nil || !slices.Contains([]int{22, 23, 25, 26}, v) {
		return fmt.Errorf("version %s; there is 1.22, 1.23, 1.25 and 1.26", words[1])
	}
	p.file.Version = v
	for _, w := range words[2:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "exact":
			p.exact = true
		case "start":
			ns, err := strconv.ParseInt(strings.ReplaceAll(value, "_", ""), 10, 64)
			if err != nil {
				return fmt.Errorf("start=%s is no number", value)
			}
			p.start = ns
		default:
			return fmt.Errorf("unknown word %s; there is exact and start", name)
		}
	}
	if !p.exact {
		p.fill = newFiller()
	}
	return nil
}

// generation begins one.
func (p *parser) generation(words []string) error {
	p.endGeneration()
	g := &genText{number: 1, events: make(map[uint64][]timed)}
	if p.g != nil {
		g.number = p.g.number + 1
	}
	g.setFreq(1e9)
	from := uint64(p.start)
	if p.g != nil && p.g.unit != 0 {
		from = p.now * p.g.unit
	}
	opts := make(map[string]string)
	for i, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if i == 0 && !ok {
			name, value = "number", w
		}
		opts[name] = value
	}
	number := func(name string, to *uint64) error {
		value, ok := opts[name]
		if !ok {
			return nil
		}
		v, err := strconv.ParseUint(strings.ReplaceAll(value, "_", ""), 10, 64)
		if err != nil {
			return fmt.Errorf("%s=%s is no number", name, value)
		}
		*to = v
		delete(opts, name)
		return nil
	}
	freq := g.freq
	for name, to := range map[string]*uint64{"number": &g.number, "frequency": &freq, "mono": &g.mono} {
		if err := number(name, to); err != nil {
			return err
		}
	}
	if freq == 0 {
		return fmt.Errorf("frequency=0")
	}
	g.setFreq(freq)
	p.g = g
	if g.unit != 0 {
		g.from = from / g.unit
	}
	p.now = g.from
	if err := p.clock(opts); err != nil {
		return err
	}
	if list, ok := opts["threads"]; ok {
		for w := range strings.SplitSeq(list, ",") {
			m, ok := threadOf(w)
			if !ok {
				return fmt.Errorf("%s is no thread", w)
			}
			g.threads = append(g.threads, m)
		}
		delete(opts, "threads")
	}
	for name := range opts {
		return fmt.Errorf("a generation has no %s", name)
	}
	p.strings, p.texts, p.stacks, p.frames = make(map[string]uint64), nil, make(map[string]uint64), nil
	p.now = g.from
	if p.fill != nil {
		p.fill.generation()
	}
	return nil
}

// clock takes what a generation says of its start and of the clocks.
func (p *parser) clock(opts map[string]string) (err error) {
	g := p.g
	if at, ok := opts["at"]; ok {
		if t, ok := strings.CutSuffix(at, "t"); ok {
			if g.from, err = strconv.ParseUint(t, 10, 64); err != nil {
				return fmt.Errorf("at=%s is no time", at)
			}
		} else if g.from, err = p.time(at); err != nil {
			return err
		}
	}
	g.sync = g.from
	if at, ok := opts["clock"]; ok {
		if g.sync, err = p.time(at); err != nil {
			return err
		}
	}
	if g.sync < g.from {
		return fmt.Errorf("the clocks are read before the generation begins")
	}
	g.sec = 1_700_000_000
	if wall, ok := opts["wall"]; ok {
		if _, err := fmt.Sscanf(wall, "%d.%09d", &g.sec, &g.nsec); err != nil {
			return fmt.Errorf("wall=%s; it is written as seconds.nanoseconds, with nine digits", wall)
		}
	} else if g.unit != 0 {
		g.sec, g.nsec = g.sec+uint64(g.ns(g.sync))/1e9, uint64(g.ns(g.sync))%1e9
		g.mono = uint64(g.ns(g.sync))
	}
	delete(opts, "at")
	delete(opts, "clock")
	delete(opts, "wall")
	return nil
}

func threadOf(w string) (uint64, bool) {
	if w == "none" {
		return None, true
	}
	digits, ok := strings.CutPrefix(w, "m")
	if !ok {
		return 0, false
	}
	m, err := strconv.ParseUint(digits, 10, 64)
	return m, err == nil
}

// time reads a time, in units of the generation.
func (p *parser) time(w string) (uint64, error) {
	g := p.g
	bad := fmt.Errorf("%s is no time", w)
	digits := strings.ReplaceAll(w, "_", "")
	if t, ok := strings.CutSuffix(digits, "t"); ok {
		v, err := strconv.ParseUint(t, 10, 64)
		if err != nil {
			return 0, bad
		}
		return g.from + v, nil
	}
	digits, since := strings.CutPrefix(digits, "+")
	scale := 1.0
	for _, unit := range []struct {
		name string
		ns   float64
	}{{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}} {
		if d, ok := strings.CutSuffix(digits, unit.name); ok {
			digits, scale = d, unit.ns
			break
		}
	}
	var ns int64
	if whole, err := strconv.ParseInt(digits, 10, 64); err == nil && whole < math.MaxInt64/int64(scale) {
		ns = whole * int64(scale)
	} else {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || math.Abs(f*scale) > 1e15 {
			return 0, bad
		}
		ns = int64(math.Round(f * scale))
	}
	if g.unit == 0 {
		return 0, fmt.Errorf("%s: in this generation times are in units of its clock, like 1234t", w)
	}
	if since {
		ns += g.ns(p.now)
	} else {
		ns += p.start
	}
	if ns < 0 || uint64(ns)%g.unit != 0 {
		return 0, fmt.Errorf("%s is no multiple of the clock's unit, which is %d ns", w, g.unit)
	}
	return uint64(ns) / g.unit, nil
}

func (p *parser) event(words []string) error {
	if p.g == nil {
		if err := p.generation(nil); err != nil {
			return err
		}
	}
	at, err := p.time(words[0])
	if err != nil {
		return err
	}
	words = words[1:]
	if len(words) > 0 {
		if m, ok := threadOf(words[0]); ok {
			p.m, p.hasM = m, true
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return fmt.Errorf("no event")
	}
	typ := eventTypes[words[0]]
	spec := &wire.Specs[typ]
	switch {
	case typ == 0:
		return fmt.Errorf("there is no event %s", words[0])
	case spec.Since > wire.Version(p.file.Version):
		return fmt.Errorf("%s is not in traces of Go 1.%d", spec.Name, p.file.Version)
	case !p.hasM:
		return fmt.Errorf("no thread; it stands before the event, like m1")
	case at < p.g.from:
		return fmt.Errorf("it is before the generation begins")
	}
	it := Item{Type: typ, Args: make([]uint64, len(spec.Args))}
	missing, err := p.args(&it, spec, words[1:])
	if err != nil {
		return err
	}
	if typ == evCPUSample {
		it.Args[0], it.Args[1] = at, p.m
		p.g.samples = append(p.g.samples, it)
		return nil
	}
	if p.fill == nil {
		return p.add(at, it)
	}
	switch {
	case at < p.now:
		return fmt.Errorf("the time goes back")
	case at == p.now && len(p.g.events) > 0:
		at++
	}
	before, err := p.fill.event(p.m, &it, missing)
	if err != nil {
		return err
	}
	when, step := at, uint64(0)
	if n := uint64(len(before)); at-p.now > n {
		when, step = at-n, 1
	}
	for _, b := range before {
		if err := p.add(when, b); err != nil {
			return err
		}
		when += step
	}
	return p.add(at, it)
}

// eventTypes are the events that a line may hold, by name.
var eventTypes = func() map[string]Type {
	m := make(map[string]Type)
	for typ := range wire.Specs {
		if s := &wire.Specs[typ]; s.Timed() && typ != wire.EvClockSnapshot || typ == wire.EvCPUSample {
			m[s.Name] = Type(typ)
		}
	}
	return m
}()

func (p *parser) add(at uint64, it Item) error {
	g := p.g
	if !slices.Contains(g.threads, p.m) {
		g.threads = append(g.threads, p.m)
	}
	events := g.events[p.m]
	if n := len(events); n > 0 && events[n-1].at > at {
		return fmt.Errorf("the time of the thread goes back")
	}
	g.events[p.m] = append(events, timed{at, it})
	p.now = at
	return nil
}

// args reads the arguments and returns which of them were not given and must be
// found out.
func (p *parser) args(it *Item, spec *wire.Spec, words []string) (missing map[string]bool, err error) {
	given := make(map[string]string)
	var names []string
	for _, arg := range spec.Args {
		if !implied(it.Type, arg) {
			names = append(names, arg.Name)
		}
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok || !slices.Contains(names, name) {
			return nil, fmt.Errorf("%s has no %s; it has %s", spec.Name, w, cmp.Or(strings.Join(names, ", "), "no arguments"))
		}
		if _, twice := given[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		given[name] = value
	}
	missing = make(map[string]bool)
	for i, arg := range spec.Args {
		if implied(it.Type, arg) {
			continue
		}
		value, ok := given[arg.Name]
		switch {
		case ok:
			it.Args[i], err = p.value(arg, value)
			if err != nil {
				return nil, fmt.Errorf("%s=%s: %w", arg.Name, value, err)
			}
		case arg.Kind == wire.ArgStack, arg.Kind == wire.ArgString, arg.Name == "task", arg.Name == "parent":
		case p.fill != nil && (arg.Kind == wire.ArgSeq || arg.Kind == wire.ArgM):
			missing[arg.Name] = true
		default:
			return nil, fmt.Errorf("%s needs %s", spec.Name, arg.Name)
		}
	}
	return missing, nil
}

// implied reports whether the line's time or thread tells the argument.
func implied(typ Type, arg wire.Arg) bool {
	return arg.Kind == wire.ArgDelta || arg.Kind == wire.ArgTime || typ == evCPUSample && arg.Kind == wire.ArgM
}

func (p *parser) value(arg wire.Arg, value string) (uint64, error) {
	switch arg.Kind {
	case wire.ArgString:
		s, err := unquote(value)
		return p.string(s), err
	case wire.ArgStack:
		return p.stack(value)
	}
	names := statusNames(arg.Kind)
	if i := slices.Index(names, value); i >= 0 {
		return uint64(i), nil
	}
	if value == "none" {
		return None, nil
	}
	v, err := strconv.ParseUint(strings.ReplaceAll(value, "_", ""), 10, 64)
	if err == nil {
		return v, nil
	}
	if names != nil {
		return 0, fmt.Errorf("there is %s", strings.Join(names, ", "))
	}
	return 0, fmt.Errorf("no number")
}

func unquote(s string) (string, error) {
	if strings.HasPrefix(s, `"`) {
		return strconv.Unquote(s)
	}
	return s, nil
}

// string returns the number of a string in the generation.
func (p *parser) string(s string) uint64 {
	if s == "" {
		return 0
	}
	id, ok := p.strings[s]
	if !ok {
		p.texts = append(p.texts, s)
		id = uint64(len(p.texts))
		p.strings[s] = id
	}
	return id
}

// stack returns the number of a stack in the generation.
func (p *parser) stack(text string) (uint64, error) {
	if strings.HasPrefix(text, "$") {
		frames, ok := p.names[text]
		if !ok {
			return 0, fmt.Errorf("no stack has that name")
		}
		text = frames
	}
	if text == "" {
		return 0, nil
	}
	if _, err := framesOf(text); err != nil {
		return 0, err
	}
	id, ok := p.stacks[text]
	if !ok {
		p.frames = append(p.frames, text)
		id = uint64(len(p.frames))
		p.stacks[text] = id
	}
	return id, nil
}

// framesOf reads the frames of a stack.
func framesOf(text string) (all []Frame, err error) {
	for text != "" {
		var one string
		if quoted, err := strconv.QuotedPrefix(text); err == nil {
			one, _ = strconv.Unquote(quoted)
			text = text[len(quoted):]
			if text != "" && text[0] != ',' {
				return nil, fmt.Errorf("a comma is missing after %s", quoted)
			}
			text = strings.TrimPrefix(text, ",")
		} else {
			one, text, _ = strings.Cut(text, ",")
		}
		f := Frame{Func: one}
		if fn, place, ok := strings.Cut(one, "@"); ok {
			colon := strings.LastIndexByte(place, ':')
			if colon < 0 {
				return nil, fmt.Errorf("a frame is written function@file:line, not %s", one)
			}
			line, err := strconv.ParseUint(place[colon+1:], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: line %s is no number", one, place[colon+1:])
			}
			f = Frame{fn, place[:colon], int(line)}
		}
		all = append(all, f)
	}
	return all, nil
}
