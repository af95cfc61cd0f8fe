package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/measures"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/audit"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

type compareFlags struct {
	configFlags
	outputFlags
	per, memory string
	where       string
	jobs        int
	strict      bool
}

func newCompare() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare OLD... -- NEW...",
		Short: "Say what changed between traces, what it costs, and where",
		Long: `Compare reports what differs between the traces before a change and those
after it: which numbers, by how much, whether that may be chance, and to which
places the time of goroutines goes that one side needs more. OLD and NEW are
traces, folders and globs of them, reports that were saved as JSON, and what
'audit --emit' wrote; two of them need no --.

The unit is the trace: with six and more a side, differences are held against
those between the traces of one side (Mann-Whitney, adjusted for the number of
metrics). Fewer do not tell what runs of a program differ by: only what hardly
does is said to seem other then. One trace a side is cut into stretches of a
second and more, which show what is chance within these two traces. What differs
by less than 5 %, or too little to matter, counts as the same.

Sums are per second; where the load differs and requests are known, for each
request. --per busy divides them by the P time of the program.

With --where it compares requests of one type of one trace, those that take
longer, or less, than a quantile or a duration, with the others of the type:
where the time of the slow ones goes. 'tracelens requests' lists the types.`,
		Example: `  tracelens compare old.trace new.trace
  tracelens compare base/ -- head/
  tracelens compare --format markdown -o comment.md base/*.trace -- head/*.trace
  tracelens compare --fail-on worse:sched.latency.user.p99:10 base/ -- head/
  tracelens compare --where 'task:GET /fast > p99' cpu.trace`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.where != "" {
				return takes(1, 1, "TRACE with --where")(cmd, args)
			}
			dash := cmd.ArgsLenAtDash()
			if dash < 0 && len(args) == 2 || dash > 0 && dash < len(args) {
				return nil
			}
			return fmt.Errorf("compare takes OLD and NEW, or several of both with -- between them, got %d and %d", max(dash, 0), len(args)-max(dash, 0))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.where != "" {
				return compareWhere(cmd, &f, args[0])
			}
			dash := cmd.ArgsLenAtDash()
			if dash < 0 {
				dash = 1
			}
			return compareTraces(cmd, &f, args[:dash], args[dash:])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	var formats []report.Format
	for _, format := range report.Formats {
		if slices.Contains([]string{"text", "markdown", "html", "json", "csv", "parquet"}, format.Name) {
			format.Spans = 0
			formats = append(formats, format)
		}
	}
	f.outputFlags.add(cmd, append(formats, benchfmt)...)
	flags.Lookup("fail-on").Usage = "exit with 1 for `WHAT`: worse, or worse:METRIC:PERCENT with either"
	grouped(cmd, "What to look at", func() {
		flags.StringVar(&f.per, "per", "", "divide sums by `UNIT`: second, request, busy (P time of the program)")
		flags.StringVar(&f.where, "where", "", "compare requests that are so with the others: `'TYPE > p99'`, TYPE < 5ms")
	})
	grouped(cmd, "How to read", func() {
		flags.StringVar(&f.memory, "memory", "1GiB", "read as much at once as `BYTES` allow")
		flags.IntVar(&f.jobs, "jobs", 0, "use at most `N` CPUs, without it all; the output is the same")
		flags.BoolVar(&f.strict, "strict", false, "exit with 3 when a trace cannot be read, or only in part")
	})
	f.configFlags.add(cmd)
	complete(cmd, "per", cobra.FixedCompletions([]string{compare.PerSecond, compare.PerRequest, compare.PerBusy}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// benchfmt is what benchstat reads.
var benchfmt = report.Format{Name: "benchfmt", Doc: "values of each trace for benchstat, a line for each: split it by the key side", Write: report.Benchfmt}

// stretches is into how many parts one trace a side is cut at most.
const stretches = 32

func compareTraces(cmd *cobra.Command, f *compareFlags, olds, news []string) error {
	fails, err := failsOn(f.failOn)
	if err != nil {
		return err
	}
	f.failOn = ""
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	if err := knownPer(f.per); err != nil {
		return err
	}
	var sides [2]compare.Side
	var inputs [2][]audit.Input
	for i, args := range [][]string{olds, news} {
		if slices.Contains(args, "-") {
			return errors.New("compare reads no trace from standard input: keep it in a file")
		}
		if inputs[i], err = audit.Walk(args, cmd.InOrStdin(), audit.Choice{}, f.out); err != nil {
			return &failure{"standard input", err}
		}
		if err := absent(inputs[i]); err != nil {
			return err
		}
	}
	cfg, err := f.load(cmd)
	if err != nil {
		return err
	}
	one := len(inputs[0]) == 1 && len(inputs[1]) == 1
	for i, args := range [][]string{olds, news} {
		if sides[i], err = f.side(cmd, cfg, args, inputs[i], one); err != nil {
			return err
		}
	}
	if format.Name == "html" {
		for i := range sides {
			if err := f.timeline(cmd, &sides[i]); err != nil {
				return err
			}
		}
	}
	if sides[0].Name == sides[1].Name {
		sides[0].Name, sides[1].Name = "old", "new"
	}
	rep := compare.Of(sides[0], sides[1], compare.Options{Per: f.per, Budgets: cfg.Differences()})
	rep.Tool = "tracelens " + version()
	if err := f.write(cmd, format, rep, true); err != nil {
		return err
	}
	if f.strict {
		for _, s := range sides {
			for _, path := range s.Unread {
				return &failure{path, errors.New("it cannot be read")}
			}
			for _, t := range s.Traces {
				if !t.Sound() {
					return &failure{t.Name, errors.New(cmp.Or(t.Fault, t.Odd.Wrong()))}
				}
			}
		}
	}
	broken, open := compare.Budgets(rep)
	if len(broken) > 0 {
		return &brokenBudgets{broken}
	}
	if err := fails.check(rep.Comparison); err != nil {
		return err
	}
	if len(open) > 0 {
		return inconclusive(open)
	}
	return nil
}

func knownPer(per string) error {
	if !slices.Contains([]string{"", compare.PerSecond, compare.PerRequest, compare.PerBusy}, per) {
		return fmt.Errorf("unknown --per %q; there are: %s, %s, %s", per, compare.PerSecond, compare.PerRequest, compare.PerBusy)
	}
	return nil
}

// errMany is the error of a report that is no trace's.
var errMany = errors.New("a report over several traces: compare needs those of single ones")

// side reads what arguments stand for.
func (f *compareFlags) side(cmd *cobra.Command, cfg *config.Config, args []string, inputs []audit.Input, alone bool) (compare.Side, error) {
	side := compare.Side{Name: strings.Join(args, " ")}
	if len(args) > 1 {
		side.Name = filepath.Dir(args[0])
	}
	opt := audit.Options{Jobs: f.jobs, Tool: "tracelens " + version()}
	if f.jobs < 0 {
		return side, fmt.Errorf("--jobs %d: need at least 1, or 0 for all CPUs", f.jobs)
	}
	if f.jobs == 0 {
		opt.Jobs = runtime.GOMAXPROCS(0)
	}
	var err error
	if opt.Memory, err = size("memory", f.memory); err != nil {
		return side, err
	}
	if opt.Memory < audit.MinMemory {
		return side, fmt.Errorf("--memory %s: need at least %s", f.memory, analysis.FormatBytes(audit.MinMemory))
	}
	audit.Guard(opt.Memory)
	opt.MaxBytes = 8 << 30
	if alone {
		for i := range inputs {
			inputs[i].Size = max(inputs[i].Size, audit.Large) // all CPUs for it
		}
	}
	var mu sync.Mutex // several traces are read at a time
	read := make(map[string]*compare.Trace)
	levels, today := cfg.Levels(passes.All()), time.Now()
	opt.Analyze = func(ctx context.Context, r io.Reader, name string, jobs int) (*analysis.Report, error) {
		o := analysis.Options{Options: parse.Options{MaxBytes: opt.MaxBytes, Requests: cfg.Requests()}, Jobs: jobs, Levels: levels, Brief: true}
		if alone {
			o.Stretches = stretches
		}
		rep, err := analysis.Analyze(ctx, r, name, o, passes.All())
		if err == nil {
			cfg.Apply(rep, today)
			mu.Lock()
			read[name] = compare.OfReport(rep)
			mu.Unlock()
		}
		return rep, err
	}
	var traces, saved []audit.Input
	named := make(map[string]bool)
	for _, in := range inputs {
		named[in.Path] = in.Named
		switch {
		case in.Err != nil:
			return side, &failure{in.Path, in.Err}
		case strings.HasSuffix(in.Path, audit.Suffix), strings.HasSuffix(in.Path, ".json"):
			saved = append(saved, in)
		default:
			traces = append(traces, in)
		}
	}
	known := make([]*compare.Trace, len(saved))
	decoding, ctx := errgroup.WithContext(cmd.Context())
	decoding.SetLimit(opt.Jobs)
	for i, in := range saved {
		decoding.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if known[i], err = savedTrace(in.Path); err != nil {
				err = &failure{in.Path, err}
			}
			return err
		})
	}
	if err := decoding.Wait(); err != nil {
		return side, err
	}
	for _, t := range known {
		side.Add(t)
	}
	err = audit.Run(cmd.Context(), traces, opt, func(d audit.Done) error {
		for _, e := range d.Entries {
			switch {
			case e.Failure != "" && named[e.Path]:
				return &failure{e.Path, errors.New(e.Failure)}
			case e.Failure != "":
				side.Unread = append(side.Unread, e.Path)
				continue
			}
			mu.Lock()
			t := read[e.Path]
			delete(read, e.Path)
			mu.Unlock()
			side.Add(t)
		}
		return nil
	})
	if err == nil && len(side.Traces) == 0 {
		err = &failure{side.Name, errNoTrace}
	}
	return side, err
}

// timeline reads the trace of a side that is shown of it once more, for what its Ps did over
// time. A report that was saved has that, or has lost it.
func (f *compareFlags) timeline(cmd *cobra.Command, side *compare.Side) error {
	t := side.Middle()
	if t == nil || t.Timeline != nil || strings.HasSuffix(t.Name, ".json") || strings.HasSuffix(t.Name, audit.Suffix) {
		return nil
	}
	file, err := os.Open(t.Name)
	if err != nil {
		return nil // an entry of an audit elsewhere
	}
	defer file.Close()
	rep, err := analysis.Analyze(cmd.Context(), file, t.Name, analysis.Options{Jobs: f.jobs}, []*analysis.Analyzer{measures.Timeline})
	if err == nil {
		t.Timeline = compare.TimelineOf(rep)
	}
	return cmd.Context().Err()
}

// savedTrace reads a report or an entry of an audit.
func savedTrace(path string) (*compare.Trace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if strings.HasSuffix(path, audit.Suffix) {
		data, err := io.ReadAll(file)
		if err != nil {
			return nil, err
		}
		e, err := fleet.Decode(data)
		switch {
		case err != nil:
			return nil, err
		case e.Failure != "":
			return nil, errors.New(e.Failure)
		}
		return compare.OfEntry(e), nil
	}
	rep, err := analysis.Decode(file)
	switch {
	case err != nil:
		return nil, err
	case rep.Many():
		return nil, errMany
	}
	return compare.OfReport(rep), nil
}

// failOnWorse is when a comparison ends with 1.
type failOnWorse struct {
	on      bool
	metric  string  // "" for all
	percent float64 // at least
}

func failsOn(s string) (f failOnWorse, err error) {
	if s == "" {
		return f, nil
	}
	what, rest, _ := strings.Cut(s, ":")
	if what != "worse" {
		return f, fmt.Errorf("unknown --fail-on %q; need worse, worse:METRIC, worse:PERCENT or worse:METRIC:PERCENT", s)
	}
	f.on = true
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == ':' }) {
		if v, err := strconv.ParseFloat(strings.TrimSuffix(part, "%"), 64); err == nil {
			f.percent = v
			continue
		}
		names := metricNames()
		if !slices.Contains(names, part) {
			return f, unknown("metric", part, names)
		}
		f.metric = part
	}
	return f, nil
}

func metricNames() (names []string) {
	for _, m := range passes.Metrics() {
		names = append(names, m.ID)
	}
	return names
}

// check is the error of a comparison that must not pass.
func (f failOnWorse) check(c *analysis.Comparison) error {
	if !f.on {
		return nil
	}
	var worse []string
	for i := range c.Metrics {
		ch := &c.Metrics[i]
		if ch.Judged == analysis.Worse && (f.metric == "" || f.metric == ch.Name) && ch.Change() >= f.percent/100 {
			worse = append(worse, ch.Name)
		}
	}
	if len(worse) == 0 {
		if c.Basis == analysis.Untested {
			return fmt.Errorf("%w to say that nothing is worse: compare several traces a side", errInconclusive)
		}
		return nil
	}
	return &gotWorse{worse}
}

// gotWorse is the error of a comparison in which something is worse.
type gotWorse struct{ metrics []string }

func (g *gotWorse) Error() string { return "worse: " + strings.Join(g.metrics, ", ") }
