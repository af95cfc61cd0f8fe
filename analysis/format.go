package analysis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FormatDuration writes ns with at most three significant digits and a unit, and
// "<64 ns" for what is shorter than the clock's quantum.
func FormatDuration(ns, quantum int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -max(ns, -math.MaxInt64)
	}
	if ns == 0 {
		return "0"
	}
	if quantum > 1 && ns < quantum {
		return sign + "<" + strconv.FormatInt(quantum, 10) + " ns"
	}
	v, units := float64(ns), []string{"ns", "µs", "ms", "s"}
	i := 0
	for i < len(units)-1 && round3(v) >= 1000 {
		v /= 1000
		i++
	}
	return sign + digits3(v) + " " + units[i]
}

// FormatMoment writes a time since the start of the trace, fine enough to find
// it: µs below a second, else 10 µs.
func FormatMoment(ns int64) string {
	switch {
	case ns < 0:
		return "-" + FormatMoment(-max(ns, -math.MaxInt64))
	case ns < 1e9:
		return strconv.FormatFloat(float64(ns)/1e6, 'f', 3, 64) + " ms"
	}
	return strconv.FormatFloat(float64(ns)/1e9, 'f', 5, 64) + " s"
}

// FormatCount writes a count with thousands separated: "1,234,567".
func FormatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// FormatBytes writes bytes in binary units with three significant digits.
func FormatBytes(n int64) string {
	v, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for i < len(units)-1 && math.Abs(v) >= 1000 {
		v /= 1024
		i++
	}
	return digits3(v) + " " + units[i]
}

// FormatRatio writes a share in percent: "12.3 %", "<0.01 %".
func FormatRatio(r float64) string {
	p := r * 100
	switch a := math.Abs(p); {
	case p == 0:
		return "0 %"
	case a < 0.01:
		return "<0.01 %"
	case a < 1:
		return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(p, 'f', 2, 64), "0"), ".") + " %"
	}
	return digits3(p) + " %"
}

// FormatRate writes a rate: "1,230/s", "0.42/s".
func FormatRate(r float64) string {
	if math.Abs(r) >= 1000 {
		return FormatCount(int64(round3(r))) + "/s"
	}
	return digits3(r) + "/s"
}

// Format writes a cell or metric of the given unit for people.
func Format(v any, u Unit, quantum int64) string {
	switch x := v.(type) {
	case nil:
		return "–"
	case string:
		return x
	case Number:
		if u == Ratio || u == PerS {
			return Format(float64(x), u, quantum)
		}
		return Format(int64(math.Round(float64(x))), u, quantum)
	case float64:
		switch u {
		case Ratio:
			return FormatRatio(x)
		case PerS:
			return FormatRate(x)
		case NS, Moment, Bytes, Count, P, G:
			return Format(int64(math.Round(x)), u, quantum)
		}
		return digits3(x)
	case int:
		return Format(int64(x), u, quantum)
	case int64:
		switch u {
		case NS:
			return FormatDuration(x, quantum)
		case Moment:
			return FormatMoment(x)
		case Bytes:
			return FormatBytes(x)
		case P, G:
			if x < 0 {
				return "–"
			}
			return strconv.FormatInt(x, 10)
		case Ratio:
			return FormatRatio(float64(x))
		case PerS:
			return FormatRate(float64(x))
		}
		return FormatCount(x)
	}
	return fmt.Sprint(v)
}

func round3(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// digits3 writes three significant digits without exponent or trailing zeros.
func digits3(v float64) string {
	return strconv.FormatFloat(round3(v), 'f', -1, 64)
}
