package measures

import (
	"fmt"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/say"
	"github.com/tracelens/tracelens/parse"
)

// causeText is what a request was at, in words.
func (ts *RequestTypes) causeText(k causeKey) string {
	switch {
	case k.state == parse.GoNotExist && k.other:
		return "not started yet by " + ts.at(k.place)
	case k.state == parse.GoWaiting && k.other:
		return ts.waitText(k.place)
	case k.gc && k.state == parse.GoRunning:
		return inAssist
	}
	part := parse.RequestPart{State: k.state, Place: k.place, Ready: parse.ReadyNetpoll}
	if k.gc {
		part.Ready = parse.ReadyGC
	}
	return ts.partText(&part)
}

// waitText is a wait for another goroutine in words.
func (ts *RequestTypes) waitText(place parse.PlaceID) string {
	key := textKey{place: place, other: true}
	text, ok := ts.texts[key]
	if !ok {
		text = ts.waitWords(place)
		ts.texts[key] = text
	}
	return text
}

func (ts *RequestTypes) waitWords(place parse.PlaceID) string {
	pl := ts.tr.Place(place)
	if pl.Prim == parse.PrimNone {
		return "blocked at " + ts.at(place)
	}
	return "blocked in " + pl.Prim.String() + " at " + ts.at(place)
}

// inAssist is a run in which a goroutine that allocates marks for the GC.
const inAssist = "in mark assist"

// partText is what a goroutine did, in words.
func (ts *RequestTypes) partText(p *parse.RequestPart) string {
	key := textKey{place: p.Place, state: p.State, ready: p.Ready, assist: p.State == parse.GoRunning && p.Cause == parse.CauseGC}
	text, ok := ts.texts[key]
	if !ok {
		text = ts.partWords(p)
		ts.texts[key] = text
	}
	return text
}

// pathText is what a goroutine did in a part of a path, in words.
func (ts *RequestTypes) pathText(p *PathPart) string {
	held := int64(p.To - p.From)
	if p.assist == 0 || p.assist == held {
		return ts.partText(&p.RequestPart)
	}
	run, marks := p.RequestPart, p.RequestPart
	run.Cause, marks.Cause, marks.Place = 0, parse.CauseGC, p.assistAt
	return fmt.Sprintf("%s, %s of it %s", ts.partText(&run), analysis.FormatRatio(say.Ratio(p.assist, held)), ts.partText(&marks))
}

func (ts *RequestTypes) partWords(p *parse.RequestPart) string {
	switch p.State {
	case parse.GoRunning:
		what, where := "running", " up to "
		if p.Cause == parse.CauseGC {
			what, where = inAssist, " at "
		}
		if p.Place == 0 {
			return what
		}
		return what + where + ts.at(p.Place)
	case parse.GoRunnable:
		return "waiting for a P"
	case parse.GoSyscall:
		return "in a call at " + ts.at(p.Place)
	case parse.GoNotExist:
		return "not started yet by a timer"
	case parse.GoUndetermined:
		return "not known: before what is kept of the trace"
	}
	pl := ts.tr.Place(p.Place)
	switch {
	case p.Ready == parse.ReadyGC:
		return "waiting for the GC at " + ts.at(p.Place)
	case pl.Prim == parse.PrimSleep:
		return "asleep at " + ts.at(p.Place)
	case pl.Prim == parse.PrimNetwork:
		return "waiting for the network at " + ts.at(p.Place)
	case p.Ready == parse.ReadyTimer:
		return "waiting for a timer at " + ts.at(p.Place)
	}
	return ts.waitText(p.Place)
}

// at names a place: the program's own line, with the library function called there; in a
// library what it does.
func (ts *RequestTypes) at(id parse.PlaceID) string {
	pl := ts.tr.Place(id)
	if pl.Stack == 0 {
		return "a place that is not told"
	}
	inner := funcName(ts.tr, pl.Inner)
	if !pl.Own && inner != "" && !parse.IsStd(inner) {
		return inner
	}
	name := SiteOf(ts.tr, pl)
	if call := callName(ts.tr, pl); call != "" && pl.Prim != parse.PrimSleep {
		name += " → " + call
	}
	if inner := funcName(ts.tr, pl.Inner); !pl.Own && inner != "" && !strings.Contains(name, inner) {
		name += " (" + inner + ")"
	}
	return name
}

// Mostly says what most of a request's time was.
func (ts *RequestTypes) Mostly(s *RequestPath) string {
	sums := make(map[string]int64)
	most := ""
	for i := range s.Parts {
		x := &s.Parts[i]
		k := keyOf(&x.RequestPart)
		text, held := ts.causeText(k.cause()), int64(x.To-x.From)
		if k.waits == parse.GoUndetermined && x.assist > 0 {
			if sums[inAssist] += x.assist; most == "" || sums[inAssist] > sums[most] {
				most = inAssist
			}
			text, held = "running", held-x.assist
		}
		sums[text] += held
		if most == "" || sums[text] > sums[most] || sums[text] == sums[most] && text < most {
			most = text
		}
	}
	if most == "" {
		return ""
	}
	return fmt.Sprintf("%s %s", analysis.FormatRatio(say.Ratio(sums[most], int64(s.Until-s.Since))), most)
}
