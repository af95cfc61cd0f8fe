package analysis

import "testing"

func TestHeadline(t *testing.T) {
	for summary, want := range map[string]string{
		"It happens 52,600/s": "It happens 52,600/s",
		"Goroutines wait in github.com/some/where/pkg.(*T).Do:12 (sync.(*Mutex).Lock): it is held by others, as it seems; why: x": "Goroutines wait in pkg.(*T).Do:12 (sync.(*Mutex).Lock): it is held by others",
		"A sentence of a length which is more than what fits on a line, with a clause (and a remark; and more of it) that ends":   "A sentence of a length which is more than what fits on a line, with a clause",
	} {
		if got := Headline(summary); got != want {
			t.Errorf("%q is %q, want %q", summary, got, want)
		}
	}
}
