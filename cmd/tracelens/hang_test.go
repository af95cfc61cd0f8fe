package main

import (
	"io"
	"testing"

	"github.com/tracelens/tracelens/internal/corpus"
)

// A program that hangs fails a build that asks for errors only.
func TestHangFails(t *testing.T) {
	for name, want := range map[string]int{
		"sync/deadlock-abba": 1, "bugs/i-dbleak": 1, "bugs/q-finalizer": 1,
		"io/http-mix": 0, "sched/idle": 0, "bugs/y-healthbatch": 0,
	} {
		if got := run(t.Context(), []string{"--fail-on", "error", "--no-config", corpus.Trace(t, name)}, nil, io.Discard, io.Discard); got != want {
			t.Errorf("%s: exit code %d, want %d", name, got, want)
		}
	}
}
