package compare

import (
	"github.com/tracelens/tracelens/analysis"
)

// figures draws where the time of goroutines goes on both sides.
func (c *comparison) figures(res *analysis.Result) {
	if c.c.Total == nil {
		return
	}
	states := []string{"running", "runnable", "syscall", "waiting"}
	t := &analysis.Table{Name: "compare.states", Title: "time of goroutines that are at work or held up, by state", Detail: true, N: int64(len(c.c.Parts)), Columns: []analysis.Column{
		{Name: "side", Unit: analysis.Text}, {Name: "running", Unit: analysis.NS}, {Name: "runnable", Unit: analysis.NS, Polarity: analysis.Lower},
		{Name: "in calls", Unit: analysis.NS}, {Name: "held up", Unit: analysis.NS, Polarity: analysis.Lower},
	}}
	for i, side := range []string{"old", "new"} {
		cells := []any{side}
		for _, s := range states {
			sum := 0.0
			for _, p := range c.c.Parts {
				if p.State == s {
					sum += []float64{float64(p.Old), float64(p.New)}[i]
				}
			}
			cells = append(cells, int64(sum*1e9))
		}
		t.Add(cells...)
	}
	res.Tables = append(res.Tables, t)
	res.Figures = append(res.Figures, analysis.Figure{
		Name: "compare.states", Title: "Time of goroutines that are at work or held up, by state, " + map[string]string{PerSecond: "in a second", PerRequest: "for a request", PerBusy: "for a second of P time"}[c.by],
		Mark: analysis.Bars, Table: t.Name, X: "side", Y: []string{"running", "runnable", "in calls", "held up"}, Weight: 2,
	})
}
