package report

import (
	"slices"
	"testing"

	"github.com/tracelens/tracelens/analysis"
)

// TestPaged: a page says where it begins and how to get the next, in numbers that a flag
// takes.
func TestPaged(t *testing.T) {
	rows := make([][]any, 20)
	for _, c := range []struct {
		offset int
		rows   int
		more   int64
		want   []string
	}{
		{0, 20, 0, nil},
		{0, 20, 1980, []string{"… 1,980 more: --offset 20"}},
		{1000, 20, 1980, []string{"(from number 1001 of 2,000)", "… 980 more: --offset 1020"}},
		{1980, 20, 1980, []string{"(from number 1981 of 2,000)"}},
		{1000, 0, 88, []string{"(it has 88 rows: --offset 1000 is behind them)"}},
	} {
		if got := Paged(&analysis.Table{Rows: rows[:c.rows], More: c.more}, c.offset); !slices.Equal(got, c.want) {
			t.Errorf("from %d, %d more: %q, want %q", c.offset, c.more, got, c.want)
		}
	}
}
