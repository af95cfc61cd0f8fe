package analysis

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tracelens/tracelens/analysis/sketch"
	"github.com/tracelens/tracelens/parse"
)

// Schema is the version of the Report's JSON form. It changes when a reader of
// an older report would misread a newer one.
const Schema = 2

// A Report is everything that is said of one trace: the JSON output, and all
// that any other format sees. Times are ns since the start of the trace.
type Report struct {
	Schema  int               `json:"schema"`
	Tool    string            `json:"tool"`
	Trace   Summary           `json:"trace"`
	Metrics map[string]Metric `json:"metrics"`
	Results []*Result         `json:"results"`
	Verdict *Verdict          `json:"verdict,omitempty"` // of the report over one trace
	Fleet   *Fleet            `json:"fleet,omitempty"`   // of a report over many traces; Trace holds its name only

	Comparison *Comparison `json:"comparison,omitempty"` // of a report over two sides

	// Pools are the distributions behind the metrics of the same prefix. They merge
	// exactly over traces.
	Pools map[string]*sketch.Histogram `json:"-"`

	// Stretches are what parts of the trace come to on their own, as Options.Stretches
	// asks: they show how much its numbers vary. They hold no findings.
	Stretches []*Report `json:"-"`

	Config       *Config       `json:"config,omitempty"`       // nil where nothing was configured
	Suppressed   []Suppressed  `json:"suppressed,omitempty"`   // findings taken out of Results
	Suppressions []Suppression `json:"suppressions,omitempty"` // all that were configured, also those without effect
}

// Many reports whether it is about several traces, so that moments in it are of none.
func (r *Report) Many() bool { return r.Fleet != nil || r.Comparison != nil }

// Config says under which configuration a report was made.
type Config struct {
	File   string   `json:"file,omitempty"`
	Preset string   `json:"preset,omitempty"` // where not the default
	Off    []string `json:"off,omitempty"`    // checks that were not asked
}

// A Suppression says which findings are known and accepted, and why. Code, Func
// and File are patterns; an empty one matches everything.
type Suppression struct {
	Code    string `json:"code,omitempty"`
	Func    string `json:"function,omitempty"` // of the evidence
	File    string `json:"file,omitempty"`     // of the evidence's stacks
	Reason  string `json:"reason"`
	Expires string `json:"expires,omitempty"` // the last day it counts, YYYY-MM-DD
	Source  string `json:"source,omitempty"`  // where it is written: file:line
	Expired bool   `json:"expired,omitempty"`
	Matched int    `json:"matched"` // findings it took out, or would have if it had not expired
}

// Suppressed is a finding that a suppression took out.
type Suppressed struct {
	Finding
	Reason string `json:"reason"`
	Source string `json:"source,omitempty"` // of the suppression
}

// Fleet counts the traces that a report over many is made of.
type Fleet struct {
	Inputs   int   `json:"inputs"`
	Traces   int   `json:"traces"`   // that could be analysed, whole or in part
	Failed   int   `json:"failed"`   // of the inputs
	Partial  int   `json:"partial"`  // of the traces
	Odd      int   `json:"odd"`      // of the traces: they contradict themselves
	Bytes    int64 `json:"bytes"`    // of the traces
	Events   int64 `json:"events"`   // in all
	Duration int64 `json:"total_ns"` // of all traces, one after the other

	Interrupted *Interrupted `json:"interrupted,omitempty"` // the report is about a part of the inputs
}

// Interrupted says how far a run came that was ended.
type Interrupted struct {
	Done int `json:"done"`
	Of   int `json:"of"`
}

func (i *Interrupted) String() string {
	return fmt.Sprintf("interrupted: it is about %d of %d inputs", i.Done, i.Of)
}

// Summary says which trace, and how far it can be trusted.
type Summary struct {
	Name        string `json:"name"`
	Format      string `json:"format"` // "go 1.26"
	Compression string `json:"compression,omitempty"`
	Bytes       int64  `json:"bytes"`
	Events      int64  `json:"events"`
	Generations int    `json:"generations"`
	Complete    bool   `json:"complete"`
	Fault       string `json:"fault,omitempty"`      // what is wrong with the file, "" if nothing
	FaultKind   string `json:"fault_kind,omitempty"` // "truncated", "corrupt", "io"
	Odd         Odd    `json:"odd,omitempty"`        // what is odd in it, by code
	Duration    int64  `json:"duration_ns"`          // analysed
	Window      bool   `json:"window,omitempty"`     // only a part was analysed, as asked: From to To
	From        int64  `json:"from_ns"`              // since the start of the trace
	To          int64  `json:"to_ns"`
	Start       string `json:"start,omitempty"` // wall clock at the start, RFC 3339 with ns
	Quantum     int64  `json:"clock_quantum_ns"`
	Procs       int    `json:"gomaxprocs,omitempty"` // at the end

	First parse.Time `json:"-"` // the start on the trace's clock, for another reading of it
}

// Sound reports whether its numbers can stand beside those of others: it is complete, and
// does not contradict itself.
func (s *Summary) Sound() bool { return s.Complete && s.Odd.Wrong() == "" }

// Wrecked reports whether no generation of it could be read. Traces up to Go 1.21 have
// none.
func (s *Summary) Wrecked() bool {
	var minor int
	_, err := fmt.Sscanf(s.Format, "go 1.%d", &minor)
	return err == nil && minor >= 22 && !s.Complete && s.Generations == 0 && s.FaultKind != "io"
}

// A Verdict is what a report comes to, in sentences: at most three limits, the costliest
// first; the host, where it matters; what was ruled out, or where the time goes.
type Verdict struct {
	Text  string        `json:"text"`
	Parts []VerdictPart `json:"parts"`
}

// Kinds of verdict parts.
const (
	VerdictCaution  = "caution"   // what to mind about the trace
	VerdictEnd      = "end"       // of a flight recording: what the program did last
	VerdictLimit    = "limit"     // what holds the program up
	VerdictLook     = "look"      // what is worth a look, though it costs little
	VerdictTime     = "time"      // where the time goes
	VerdictHost     = "host"      // what the machine does to it
	VerdictRuledOut = "ruled out" // what is not the limit
)

// A VerdictPart is one sentence of a verdict.
type VerdictPart struct {
	Kind string  `json:"kind"`
	Text string  `json:"text"`           // of a finding: what it says, after " Because: " what another says is why, and what to do
	Code string  `json:"code,omitempty"` // of the finding it is made of
	Held float64 `json:"held,omitempty"` // goroutines or Ps held up on average; see Cost
}

// Outcome is how an analyzer ended. Silence is never "fine".
type Outcome string

const (
	Found         Outcome = "found"          // it has findings
	Clear         Outcome = "clear"          // it looked, and has none
	NotApplicable Outcome = "not applicable" // the trace cannot tell
	Failed        Outcome = "failed"         // our fault
)

// A Result is what one analyzer says.
type Result struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Check    bool      `json:"check,omitempty"` // it has thresholds, and says what is wrong
	Leads    bool      `json:"leads,omitempty"` // its summary is the state of the whole program
	About    Subject   `json:"about,omitempty"` // of its findings
	Outcome  Outcome   `json:"outcome"`
	Reason   string    `json:"reason,omitempty"` // of NotApplicable and Failed
	Summary  []string  `json:"summary,omitempty"`
	Leading  []Leading `json:"leading,omitempty"` // what a verdict may begin with
	Findings []Finding `json:"findings,omitempty"`
	Tables   []*Table  `json:"tables,omitempty"`
	Figures  []Figure  `json:"figures,omitempty"`
}

// A Leading is a sentence of a measure about what takes the time: not what is wrong, but
// what it comes to.
type Leading struct {
	Kind    string  `json:"kind"`              // VerdictLimit: somebody is held up; VerdictTime: where time goes; VerdictEnd: how a flight recording ended
	Text    string  `json:"text"`              // without a full stop
	Place   string  `json:"place"`             // of the program
	Root    string  `json:"root,omitempty"`    // likewise: where what holds up there begins
	Outside bool    `json:"outside,omitempty"` // what is waited for is outside the program: a peer
	Held    int64   `json:"held_ns"`           // time of goroutines that were held up
	Lives   float64 `json:"lives"`             // of the lives of these goroutines
}

// Confidence says where a number comes from.
type Confidence string

const (
	Measured  Confidence = "measured"  // from events that say so
	Inferred  Confidence = "inferred"  // from a model with a known error
	Heuristic Confidence = "heuristic" // a guess that needs judgement
)

// Clock says what a cost is measured in.
type Clock string

const (
	Wall  Clock = "wall"
	PTime Clock = "p-time" // time of Ps
	GTime Clock = "g-time" // time of goroutines
)

// A Subject is what a finding is about, where it is not the program.
type Subject string

const (
	Host Subject = "host"  // the machine, or the limits of a container
	File Subject = "trace" // how far the trace can be trusted
)

// Severity says how much a finding matters. It follows from a Threshold.
type Severity string

const (
	Note    Severity = "note"    // worth knowing
	Warning Severity = "warning" // worth changing
	Error   Severity = "error"   // must be changed
)

// Severities are all of them, in rising order.
var Severities = []Severity{Note, Warning, Error}

// Rank is 1 for a Note to 3 for an Error, 0 for what is none.
func (s Severity) Rank() int { return slices.Index(Severities, s) + 1 }

// A Finding is something worth a person's attention, with its proof.
type Finding struct {
	Code       string     `json:"code"` // analyzer or analyzer/variant, stable
	Severity   Severity   `json:"severity"`
	Summary    string     `json:"summary"` // one sentence with the numbers
	Cost       Cost       `json:"cost"`
	Confidence Confidence `json:"confidence"`
	Evidence   []Evidence `json:"evidence,omitempty"` // at most 10
	Advice     string     `json:"advice,omitempty"`
	Caveat     string     `json:"caveat,omitempty"`
	Figure     string     `json:"figure,omitempty"` // that shows it
	Trace      string     `json:"trace,omitempty"`  // of a report over many: the one that it is worst in, which the evidence is of
	// Explains are the codes of findings that are effects of this one. They are
	// moved from their results to Symptoms.
	Explains []string `json:"-"`
	// During are exact times at which it acts, as many as are known, none over another:
	// what happens inside them is its effect, too. See Fold.
	During   []Evidence `json:"-"`
	Symptoms []Finding  `json:"symptoms,omitempty"`
	// Because are findings that say why this one is: they are moved to its Symptoms as well,
	// and marked as Reason.
	Because []Because `json:"-"`
	Reason  bool      `json:"reason,omitempty"` // of a symptom: it is no effect, but why
}

// Because is a finding of a check about a place, as in "main.get:12", or a function; "" for any.
type Because struct {
	Check, Place string
	Told         bool // the finding says it itself: also one that is graver
}

// Cost is what a finding costs: Value of Total on Clock, in ns.
type Cost struct {
	Value int64 `json:"value_ns"`
	Total int64 `json:"total_ns"`
	Clock Clock `json:"clock,omitempty"`
}

// Share is Value over Total.
func (c Cost) Share() float64 {
	if c.Total == 0 {
		return 0
	}
	return float64(c.Value) / float64(c.Total)
}

// Rate is the cost in the one currency in which all costs compare: how many goroutines
// (or Ps, or the whole program) were held up on average over wall ns.
func (c Cost) Rate(wall int64) float64 {
	if wall <= 0 {
		return 0
	}
	return float64(c.Value) / float64(wall)
}

// Evidence is one place in the trace that shows a finding.
type Evidence struct {
	From  int64   `json:"from_ns"`
	To    int64   `json:"to_ns"`
	P     *int64  `json:"p,omitempty"`
	G     *int64  `json:"g,omitempty"`
	Func  string  `json:"func,omitempty"`
	Note  string  `json:"note,omitempty"`
	Stack []Frame `json:"stack,omitempty"`
}

// Frame is one call of a stack.
type Frame struct {
	Func string `json:"func"`
	File string `json:"file"`
	Line int    `json:"line"`
}

// Unit is the unit of a metric or column.
type Unit string

const (
	NS     Unit = "ns"
	Bytes  Unit = "bytes"
	Count  Unit = "count"
	PerS   Unit = "per_s"
	Ratio  Unit = "ratio"  // 0…1
	Moment Unit = "moment" // ns since the start of the trace
	Text   Unit = "text"
	P      Unit = "p" // a P's id; -1 for none
	G      Unit = "g" // a goroutine's id; -1 for none
)

// Polarity says which way a number is good.
type Polarity string

const (
	Lower   Polarity = "lower"
	Higher  Polarity = "higher"
	Neutral Polarity = "none"
)

// Number is a float that is written without fraction when it has none: ns and
// counts stay integers.
type Number float64

func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(nil, int64(f), 10), nil
	}
	return json.Marshal(f)
}

// Metric is one entry of the flat list.
type Metric struct {
	Value      Number     `json:"value"`
	Unit       Unit       `json:"unit"`
	N          int64      `json:"n"`
	Polarity   Polarity   `json:"polarity"`
	Clock      Clock      `json:"clock,omitempty"`
	Confidence Confidence `json:"confidence"`
	Scale      Scale      `json:"scale,omitempty"`
	At         *int64     `json:"at_ns,omitempty"` // when a maximum or minimum was, where the analyzer knows
}

// A Table is rows under typed columns. A cell is an int64 (units ns, bytes,
// count, moment, p, g), a float64 (ratio, per_s), a string (text), or nil for
// "cannot be said".
type Table struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"` // what the rows are, and of which population
	Columns []Column `json:"columns"`
	Rows    [][]any  `json:"rows"`
	N       int64    `json:"n"`              // population the rows are drawn from
	More    int64    `json:"more,omitempty"` // rows left out
	Role    Role     `json:"role,omitempty"`
	// Packed are the rows, and Rows is nil, until Unpack.
	Packed *Packed `json:"-"`
	// Detail keeps the table out of the terminal report: it is for figures,
	// JSON and whoever asks.
	Detail bool `json:"detail,omitempty"`
}

// A Role says what a table is for, where outputs must know it: a part of a timeline of
// the Ps, or of requests, or the state of the program.
type Role string

const (
	RoleDensity Role = "density" // columns at, P, and the share of each state from there on
	RoleSpans   Role = "spans"   // columns P, from, to, state, and what else is known
	RoleWindows Role = "windows" // columns from, to, wanted to: where the spans are complete
	RoleBands   Role = "bands"   // columns from, to: what happened on all Ps at once

	RoleRequests Role = "requests" // columns id, requests, kind, began, took, ended: single requests
	RolePaths    Role = "paths"    // columns id, from, to, length, goroutine, hop, state, what, while: the critical path of each, in order
	RoleLogs     Role = "logs"     // columns id, at, goroutine, category, message: what the program wrote in each
	RoleNumbers  Role = "numbers"  // columns of, what, value, share, at, length: the state of the program in a few numbers

	RoleEvery Role = "every" // a row for each trace of many
	RoleGrid  Role = "grid"  // columns metric, trace, value, position, level: traces by metric
	RoleFired Role = "fired" // columns trace, finding, level

	RoleDots Role = "dots" // columns began, took, mostly, requests, id: a sample of all
)

// Cell returns a cell by row and column name, nil if there is none.
func (t *Table) Cell(row int, column string) any {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
	if i < 0 || row >= len(t.Rows) {
		return nil
	}
	return t.Rows[row][i]
}

// Column is one column of a Table.
type Column struct {
	Name     string   `json:"name"`
	Unit     Unit     `json:"unit"`
	Polarity Polarity `json:"polarity,omitempty"`
}

// Add appends a row; the number of cells must be that of the columns.
func (t *Table) Add(cells ...any) {
	if len(cells) != len(t.Columns) {
		panic("table " + t.Name + ": row does not fit its columns")
	}
	t.Rows = append(t.Rows, cells)
}

// Limit keeps the first n rows and counts the rest in More.
func (t *Table) Limit(n int) {
	if len(t.Rows) > n {
		t.More += int64(len(t.Rows) - n)
		t.Rows = t.Rows[:n]
	}
}

// Mark is how a figure draws its table.
type Mark string

const (
	Lanes     Mark = "lanes"     // per-P density over time: Y the states, Series the lane; with End: exact spans, Y[0] is the column of the state
	Area      Mark = "area"      // stacked over time
	ECDF      Mark = "ecdf"      // cumulative share over a log axis
	HistBars  Mark = "histogram" // counts over a log axis
	Matrix    Mark = "matrix"    // X the columns, Series the rows, Y[0] the weight
	HeatTime  Mark = "heat"      // X to End time, Y[0] the weight; Series to Y[1] the class, or Series the row
	Steps     Mark = "steps"     // stepped lines over time
	Line      Mark = "line"
	Bars      Mark = "bars"      // labelled
	Gantt     Mark = "gantt"     // rows from Start to End
	Waterfall Mark = "waterfall" // one stop-the-world: each P from request to restart
	Stems     Mark = "stems"     // vertical bars at moments: X the time, Y stacked parts
	Points    Mark = "points"    // dots: X the time, Y[0] a value on a log axis, Series the colour
	// Shares of a whole by level: X the weight, Y the names of the levels. Series colours those
	// from its level on, or, where it is no level, the last one of its row.
	Flame Mark = "flame"
	// Small multiples over time: X the time, Y a panel each. A bucket is drawn as its mean.
	Panels Mark = "panels"
	// Goroutines over a short time: X to End in state Y[0], Series the lane; at End the lane
	// that Y[1] names woke it.
	Goroutines Mark = "goroutines"
	// Boxes and what leads from one to another: X to End, with the share Y[0], Series the colour.
	Graph Mark = "graph"
)

// A Figure is a view of a Table: a mark, and which columns it draws.
type Figure struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"` // states the fact
	Mark   Mark     `json:"mark"`
	Table  string   `json:"table"`
	X      string   `json:"x"`
	Y      []string `json:"y"`                // value columns
	Series string   `json:"series,omitempty"` // column that tells series apart
	End    string   `json:"end,omitempty"`    // column of the end; X is the start
	Refs   []Ref    `json:"refs,omitempty"`

	Weight   Number `json:"weight,omitempty"`   // how much it matters in this report; see FigureDef
	Replaces string `json:"replaces,omitempty"` // a figure that shows the same less exactly
}

// A Ref is a fixed line in a figure, in the unit of its axis, or, with Until, a band. On an
// ECDF it is a dot on the first series.
type Ref struct {
	Axis  string `json:"axis"` // "x" or "y"
	Value Number `json:"value"`
	Until Number `json:"until,omitempty"`
	Label string `json:"label"`
}
