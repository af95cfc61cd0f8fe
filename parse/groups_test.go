package parse

import "testing"

func TestNumberless(t *testing.T) {
	for name, want := range map[string]string{
		"":                 "",
		"checkout":         "checkout",
		"req-4711":         "req-#",
		"req-4711.5":       "req-#.#",
		"GET /v1/users/17": "GET /v#/users/#",
		"http2":            "http#",
		"cafe":             "cafe", // a word
		"req-3fa85f64-5717-4562-b3fc-2c963f66afa6": "req-#-#-#-#-#",
		"x7y8":   "x#y#",
		"é17é":   "é#é",
		"a\xff1": "a\xff#",
	} {
		if got := numberless(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	var s Symbols
	a, b, c := s.Intern("req-1"), s.Intern("req-22"), s.Intern("main.go")
	s.learnGroup(a)
	s.learnGroup(b)
	if g := s.Group(a); g != s.Group(b) || s.String(g) != "req-#" || s.Group(c) != c || s.GroupNames()[g] != 2 {
		t.Errorf("groups %q %q %q of %v", s.String(s.Group(a)), s.String(s.Group(b)), s.String(s.Group(c)), s.GroupNames())
	}
}
