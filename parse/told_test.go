package parse_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	xtrace "golang.org/x/exp/trace"

	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

// TestTold: a goroutine has its name in all that is said of it, from its first span on,
// if the reference sees a stack of it anywhere up to the end of that generation.
func TestTold(t *testing.T) {
	checked := 0
	for _, path := range append(corpus.Own(t), corpus.More(t, "*/*.trace")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 8<<20 {
			continue // what is looked for is at the beginning
		}
		named := referenceNames(data)
		if named == nil {
			continue
		}
		checked++
		name := filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
		generation := 0
		bad := make(map[parse.GoID]bool)
		tr, err := parse.ReadTo(context.Background(), bytes.NewReader(data), parse.Options{}, parse.Sink{
			Kinds: parse.KindsGo | parse.KindsOf(parse.KindGeneration),
			Event: func(e *parse.Event) {
				if e.Kind == parse.KindGeneration {
					generation++
				} else if e.Go.Func == 0 && 0 < named[e.Go.ID] && named[e.Go.ID] <= generation {
					bad[e.Go.ID] = true
				}
			},
		})
		if err == nil && len(bad) > 0 {
			t.Errorf("%s (Go 1.%d, generations: %d): %d goroutines without the names they have", name, tr.Version, tr.Generations, len(bad))
		}
	}
	if checked < 30 {
		t.Errorf("only %d traces", checked)
	}
}

// referenceNames returns in which generation, from 1 on, golang.org/x/exp/trace sees the
// first stack of each goroutine.
func referenceNames(data []byte) map[parse.GoID]int {
	r, err := xtrace.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	named, syncs := make(map[parse.GoID]int), 0
	name := func(g xtrace.GoID, s xtrace.Stack) {
		for f := range s.Frames() {
			if id := parse.GoID(g); f.Func != "" && named[id] == 0 {
				named[id] = syncs
			}
		}
	}
	for {
		ev, err := r.ReadEvent()
		if err != nil {
			return named
		}
		switch ev.Kind() {
		case xtrace.EventSync:
			syncs++
		case xtrace.EventStackSample:
			continue
		case xtrace.EventStateTransition:
			if st := ev.StateTransition(); st.Resource.Kind == xtrace.ResourceGoroutine {
				name(st.Resource.Goroutine(), st.Stack)
				if from, to := st.Goroutine(); from == to || from == xtrace.GoUndetermined {
					continue // its context is none
				}
			}
		}
		name(ev.Goroutine(), ev.Stack())
	}
}
