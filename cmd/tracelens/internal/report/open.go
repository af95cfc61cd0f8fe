package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/analysis"
)

// An Opening is how to look at one moment of a trace in some tool.
type Opening struct {
	Tool    string
	Command string // for a shell
	Then    string // where it is then
}

// traceAddress is where `go tool trace` is told to serve, so that links to it hold.
const traceAddress = "localhost:6061"

// Openings are the ways to look at what happened from one time to another; none
// where that is all of the trace, or the trace is no file.
//
// Of `go tool trace`, internal/trace/traceviewer/http.go says that its viewer marks
// the #start:end of its address, in ms; it splits traces from about 100 MiB of JSON
// on. gotraceui takes the name of a file only. Neither reads compressed files.
func Openings(rep *analysis.Report, from, to int64) []Opening {
	t := &rep.Trace
	if !isFile(rep) || from <= t.From && to >= t.To {
		return nil
	}
	name := ShellQuoted(t.Name)
	a, b := around(rep, from, to)
	plain, unpack := name, ""
	if t.Compression != "" {
		plain = "plain.trace"
		unpack = fmt.Sprintf("%s -dc %s >%s && ", t.Compression, name, plain)
	}
	return []Opening{
		{
			Tool:    "tracelens",
			Command: fmt.Sprintf("tracelens analyze --from %s --to %s --format html -o moment.html %s", seconds(a), seconds(b), name),
			Then:    "moment.html",
		},
		{
			Tool:    "go tool trace",
			Command: unpack + "go tool trace -http=" + traceAddress + " " + plain,
			Then:    fmt.Sprintf("http://%s/trace?view=proc#%s:%s", traceAddress, millis(from), millis(max(to, from+1000))),
		},
		{
			Tool:    "gotraceui",
			Command: unpack + "gotraceui " + plain,
			Then:    "at " + analysis.FormatMoment(from),
		},
	}
}

// isFile says whether the report is about a trace that a command can name.
func isFile(rep *analysis.Report) bool {
	name := rep.Trace.Name
	return !rep.Many() && name != "standard input" && !strings.HasPrefix(name, "http://") && !strings.HasPrefix(name, "https://")
}

// around is a stretch of the trace with some room at its sides.
func around(rep *analysis.Report, from, to int64) (int64, int64) {
	to = max(from, to)
	room := (to-from)/7 + 20_000
	return max(from-room, rep.Trace.From), min(to+room, rep.Trace.To)
}

// seconds is a time for --from and --to, exact.
func seconds(ns int64) string {
	return strconv.FormatFloat(float64(ns)/1e9, 'f', -1, 64) + "s"
}

func millis(ns int64) string { return strconv.FormatFloat(float64(ns)/1e6, 'f', -1, 64) }

// ShellQuoted is a name as a POSIX shell reads it; what is unprintable is written out.
func ShellQuoted(name string) string {
	name = Clean(name)
	if strings.HasPrefix(name, "-") {
		name = "./" + name
	}
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./+:,@%=", r)
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !safe(r) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
