package parse_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/parse"
	"github.com/tracelens/tracelens/parse/tracetest"
)

// TestFaults: what is wrong with a trace is told by kind, wherever in the file it is.
func TestFaults(t *testing.T) {
	const generations = 4
	for _, version := range []int{22, 25, 26} {
		whole, _ := tracetest.Schedule(tracetest.Plan{Version: version, Seed: 1, Procs: 4, Steps: 40_000, Generations: generations})
		file, err := tracetest.Split(whole)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole) < 300<<10 {
			t.Fatalf("only %d bytes: a reader may hold them all at once", len(whole))
		}
		last := file.Parts()
		events := slices.IndexFunc(last, func(p tracetest.Part) bool { return p.What == "events" })
		flipped := bytes.Clone(whole)
		flipped[last[events].Data+1] = 0xff // the time of the first event
		flipped[last[events].Data] = 200    // no event
		for name, c := range map[string]struct {
			data  []byte
			kind  error
			want  string
			whole int // generations
		}{
			"the header alone":             {whole[:16], parse.ErrTruncated, "ends after its header", 0},
			"an unknown event":             {flipped, parse.ErrCorrupt, "without a timestamp: type=200", 0},
			"cut inside a batch":           {whole[:last[len(last)-3].To-1], parse.ErrTruncated, "", generations - 1},
			"bytes that follow":            {append(bytes.Clone(whole), "tail"...), parse.ErrCorrupt, "bytes that are no part of a trace follow generation 4", generations},
			"another trace that follows":   {append(bytes.Clone(whole), whole...), parse.ErrCorrupt, fmt.Sprintf("another trace begins at byte %d,", len(whole)), generations},
			"the last generation unmarked": {whole[:last[len(last)-1].From], parse.ErrTruncated, "begun but never ended", generations - 1},
		} {
			if name == "the last generation unmarked" && version < 26 {
				continue // its string table, without which it is not whole, may be cut
			}
			_, tr, err := digest(t, bytes.NewReader(c.data))
			whole, begun := 0, 0
			if err == nil {
				err, whole, begun = tr.Fault, tr.Generations, tr.Begun
				if begun != generations {
					t.Errorf("go 1.%d, %s: %d generations begun, want %d", version, name, begun, generations)
				}
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) || whole != c.whole {
				t.Errorf("go 1.%d, %s: %d whole generations, %v; want %d, %v, %q", version, name, whole, err, c.whole, c.kind, c.want)
			}
		}
	}
}
