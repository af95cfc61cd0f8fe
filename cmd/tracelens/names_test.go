package main

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// Every code that a trace of the tests has is a name, and what only looks like one is not.
func TestCodesAreNames(t *testing.T) {
	n := 0
	for _, golden := range []string{"firings.txt", "firings-corpus.txt"} {
		b, err := os.ReadFile("../../analysis/passes/testdata/" + golden)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`([a-z/-]+) (?:note|warning|error)`).FindAllSubmatch(b, -1) {
			if n++; analyzerOf(string(m[1])) == nil {
				t.Errorf("%s is no name", m[1])
			}
		}
	}
	if n == 0 {
		t.Error("the goldens have no codes")
	}
	for _, name := range []string{"", "/", "lock-convoy/", "lock-convoy/nothing", "latency.nothing", "limits/c"} {
		if a := analyzerOf(name); a != nil {
			t.Errorf("%q is %s", name, a.Name)
		}
	}
}

// Moments are taken as reports print them.
func TestMoments(t *testing.T) {
	const ms = time.Millisecond
	for text, want := range map[string][2]time.Duration{
		"13.114 ms +80.2 ms": {13114 * time.Microsecond, 93314 * time.Microsecond},
		"13.114ms+80.2ms":    {13114 * time.Microsecond, 93314 * time.Microsecond},
		"1.92857 s":          {1928570*time.Microsecond - 10*ms, 1928570*time.Microsecond + 10*ms},
		"3ms":                {0, 13 * ms},
		"1 s +64 µs":         {time.Second, time.Second + 64*time.Microsecond},
	} {
		var from, to time.Duration
		if err := (span{&from, &to}).Set(text); err != nil || from != want[0] || to != want[1] {
			t.Errorf("%s is %v to %v, %v; want %v", text, from, to, err, want)
		}
	}
	for _, text := range []string{"", "+", "1ms+", "+1ms", "1", "1ms+0s", "1,5 s", "1ms+1ms+1ms"} {
		var from, to time.Duration
		if err := (span{&from, &to}).Set(text); err == nil {
			t.Errorf("%q is %v to %v", text, from, to)
		}
	}
}
