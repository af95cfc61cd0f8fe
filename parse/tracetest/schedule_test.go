package tracetest

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/exp/trace"
)

// TestValid: golang.org/x/exp/trace accepts what is made up.
func TestValid(t *testing.T) {
	for _, version := range []int{22, 23, 25, 26} {
		for seed := range uint64(40) {
			plan := Plan{Version: version, Seed: seed, Procs: 1 + int(seed%9), Steps: 2000, Generations: 1 + int(seed%4)}
			b, truth := Schedule(plan)
			r, err := trace.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("%s: %v", plan, err)
			}
			n := 0
			for {
				_, err := r.ReadEvent()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: after %d events: %v", plan, n, err)
				}
				n++
			}
			if n < 1000 || truth.Created == 0 {
				t.Errorf("%s: %d events, %d goroutines", plan, n, truth.Created)
			}
		}
	}
}
