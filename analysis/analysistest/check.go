package analysistest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracelens/tracelens/analysis"
)

// Check says what is wrong with a report, whatever its trace is like: an analyzer that
// failed or says nothing, a metric that is no number or no share, shares of P time
// that do not sum to 1, accounts of a whole trace that differ, a report that cannot be
// written and read again.
func Check(rep *analysis.Report) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, r := range rep.Results {
		switch {
		case r.Outcome == analysis.Failed:
			fault("%s: %s", r.Name, r.Reason)
		case r.Outcome == analysis.NotApplicable && r.Reason == "",
			(r.Outcome == analysis.Clear || !r.Check && r.Outcome == analysis.Found) && len(r.Summary) == 0:
			fault("%s is %s and says nothing", r.Name, r.Outcome)
		case len(r.Summary) > 3:
			fault("%s says %d lines", r.Name, len(r.Summary))
		}
	}
	var shares float64
	for id, m := range rep.Metrics {
		v := float64(m.Value)
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || m.N < 0 || m.Unit == analysis.Ratio && v > 1+1e-9 {
			fault("%s = %v %s of %d", id, v, m.Unit, m.N)
		}
		if strings.HasPrefix(id, "procs.share.") {
			shares += v
		}
	}
	if shares != 0 && math.Abs(shares-1) > 1e-9 {
		fault("procs.share.* sum to %v", shares)
	}
	if rep.Trace.Complete == (rep.Trace.Fault != "") {
		fault("complete is %t, and the fault is %q", rep.Trace.Complete, rep.Trace.Fault)
	}
	text, err := json.Marshal(rep)
	if err != nil {
		fault("the report cannot be written: %v", err)
		return faults
	}
	text = bytes.ReplaceAll(text, []byte(`\ufffd`), []byte("\ufffd")) // invalid UTF-8, as it is written the first time
	again, err := analysis.Decode(bytes.NewReader(text))
	if err != nil {
		fault("the report cannot be read again: %v", err)
	} else if text2, err := json.Marshal(again); err != nil || !bytes.Equal(text, text2) {
		fault("the report read again is another (%v)", err)
	}
	slices.Sort(faults)
	return faults
}

// Ended waits for the goroutines to end that did not run before, and fails the test if
// some do not.
func Ended(t testing.TB, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}
