package tasks

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/parse"
)

func TestUnfinishedTasks(t *testing.T) { checktest.Run(t, UnfinishedTasks, casesUnfinishedTasks) }

func casesUnfinishedTasks(t *testing.T) {
	tr, _ := checktest.Recorded(t)
	for _, c := range []struct {
		name        string
		whole, open int
		age         int64
		want        string
	}{
		{"no tasks", 0, 0, 0, "not applicable"},
		{"healthy", 1000, 0, 0, ""},
		{"healthy: under way", 100, 20, 900e3, ""},
		{"5 of 100", 95, 5, 500e6, "unfinished-tasks note"},
		{"5 of 101", 96, 5, 500e6, ""},
		{"4", 10, 4, 500e6, ""},
		{"none ended", 0, 5, 500e6, "unfinished-tasks note"},
	} {
		var events []parse.Event
		for range c.whole {
			events = append(events, checktest.Task(1e6, 1e6, nil))
		}
		for range c.open {
			e := checktest.Task(c.age, 0, nil)
			e.Range.Unfinished = true
			events = append(events, e)
		}
		r := checktest.RunOn(t, tr, UnfinishedTasks, events)
		if got := checktest.Found(r); got != c.want {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.want, r.Summary)
		}
	}
	for name, want := range map[string]string{"annotations": "", "flight-recorder": "", "idle": "not applicable"} {
		if got := checktest.Found(checktest.On(t, analysistest.Testdata(t, name), UnfinishedTasks)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
