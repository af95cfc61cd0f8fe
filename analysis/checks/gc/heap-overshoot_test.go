package gc

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestHeapOvershoot(t *testing.T) { checktest.Run(t, heapOvershoot, casesHeapOvershoot) }

func casesHeapOvershoot(t *testing.T) {
	run := func(n int, goal, peak int64) (out [][]parse.Event) {
		for i := range n {
			out = append(out, checktest.Heap(int64(i+1)*checktest.MSNS, goal<<10, peak<<10, goal<<9))
		}
		return out
	}
	checktest.Check(t, heapOvershoot, nil, []checktest.EventCase{
		{Name: "three", Want: "note", Events: run(3, 100<<10, 110<<10)},
		{Name: "two", Want: "clear", Events: run(2, 100<<10, 110<<10)},
		{Name: "less", Want: "clear", Events: run(3, 100<<10, 109<<10)},
		{Name: "1 MiB", Want: "note", Events: run(3, 4<<10, 5<<10)},
		{Name: "less than 1 MiB", Want: "clear", Events: run(3, 4<<10, 5<<10-1)},
		{Name: "healthy", Want: "clear", Events: run(9, 100<<10, 99<<10)},
		{Name: "no goal", Want: "not applicable", Events: [][]parse.Event{checktest.Cycles(9, 0)}},
	})
}
