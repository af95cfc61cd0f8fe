package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tracelens/tracelens/analysis"
)

// A unit is how values of an analysis.Unit are written.
type unit struct {
	example string
	pattern string // for editors
	parse   func(string) (float64, bool)
}

var units = map[analysis.Unit]unit{
	analysis.NS:     {"1ms", `^([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h))+$`, parseDuration},
	analysis.Moment: {"1ms", `^([0-9]+(\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h))+$`, parseDuration},
	analysis.Bytes:  {"64MiB", `^[0-9]+(\.[0-9]+)? ?([kKMGT]i?)?B$`, ParseBytes},
	analysis.Ratio:  {"5%", `^[0-9]+(\.[0-9]+)? ?%$`, parseRatio},
	analysis.PerS:   {"1000/s", `^[0-9]+(\.[0-9]+)? ?/s$`, func(s string) (float64, bool) { return number(strings.TrimSuffix(s, "/s")) }},
	analysis.Count:  {"100", "", number},
}

// never is how a level that is never reached is written; 0 says the same.
const never = "never"

// parseValue reads a level of a threshold, 0 for never. The error says how it is
// written.
func parseValue(s string, t *analysis.Threshold) (float64, error) {
	if s == never || s == "0" {
		return 0, nil
	}
	u, ok := units[t.Unit]
	if !ok {
		u = unit{example: "1", parse: number}
	}
	v, ok := u.parse(s)
	switch {
	case !ok:
		return 0, fmt.Errorf("%q is not a value of %s, which is in %s: write it as %s", s, t.Name, t.Unit, u.example)
	case v < 0:
		return 0, fmt.Errorf("%q is negative; write %s for a level that is never reached", s, never)
	case t.Unit == analysis.Ratio && v > 1 && !strings.HasSuffix(s, "%") && max(t.Levels.Note, t.Levels.Warning, t.Levels.Error) <= 1:
		return 0, fmt.Errorf("%q is %s as a share; for percent write %s%%", s, analysis.FormatRatio(v), s)
	}
	return v, nil
}

func number(s string) (float64, bool) {
	s = strings.TrimRight(s, " ")
	if strings.ContainsAny(s, "xXpP_nN") { // ParseFloat knows more than decimal numbers
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

func parseDuration(s string) (float64, bool) {
	d, err := time.ParseDuration(s)
	return float64(d), err == nil
}

func parseRatio(s string) (float64, bool) {
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		v, ok := number(percent)
		return v / 100, ok
	}
	return number(s)
}

func ParseBytes(s string) (float64, bool) {
	s, _ = strings.CutSuffix(s, "B")
	factor := 1.0
	base := 1000.0
	if cut, ok := strings.CutSuffix(s, "i"); ok {
		s, base = cut, 1024
	}
	power := -1
	if s != "" {
		power = strings.IndexByte("kMGT", s[len(s)-1])
		if s[len(s)-1] == 'K' {
			power = 0
		}
	}
	if power >= 0 {
		factor = math.Pow(base, float64(power+1))
		s = s[:len(s)-1]
	} else if base == 1024 {
		return 0, false
	}
	v, ok := number(s)
	return v * factor, ok
}
