package main

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"runtime/metrics"
	"strings"
	"sync"
	"time"
)

// truth is what is known about a trace without reading it.
type truth struct {
	Program    string         `json:"program"`
	Command    string         `json:"command"`
	Go         string         `json:"go"`
	GOMAXPROCS int            `json:"gomaxprocs"`
	Planted    []plant        `json:"planted"`
	Measured   map[string]any `json:"measured"`
	Metrics    metricsTruth   `json:"metrics"`
}

// plant is something put into a workload for an analysis to find.
type plant struct {
	Kind   string         `json:"kind"`
	Func   string         `json:"func"`
	Params map[string]any `json:"params,omitempty"`
}

func (t *truth) plant(kind, fn string, params map[string]any) {
	t.Planted = append(t.Planted, plant{kind, fn, params})
}

// durations collects times a workload takes of itself.
type durations struct {
	mu         sync.Mutex
	n          int64
	total      time.Duration
	least, max time.Duration
}

func (d *durations) add(v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == 0 || v < d.least {
		d.least = v
	}
	if v > d.max {
		d.max = v
	}
	d.n++
	d.total += v
}

func (d *durations) MarshalJSON() ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return json.Marshal(map[string]int64{"count": d.n, "min_ns": int64(d.least), "max_ns": int64(d.max), "total_ns": int64(d.total)})
}

type metricsTruth struct {
	Scalars    map[string]change    `json:"scalars"`
	Histograms map[string]histogram `json:"histograms"`
	CPUClasses map[string]int64     `json:"cpu_classes_ns"`
}

// change holds integers too: all metrics but an absent limit are below 2^53.
type change struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Delta  float64 `json:"delta"`
}

// histogram is the growth of a runtime/metrics histogram: its samples and their
// sum, each sample taken as the middle of its bucket.
type histogram struct {
	Count   uint64 `json:"count"`
	TotalNS int64  `json:"total_ns"`
}

type snapshot struct {
	scalars    map[string]float64
	histograms map[string]histogram
}

// newSamples leaves out what says nothing of a workload that calls no C.
func newSamples() []metrics.Sample {
	var samples []metrics.Sample
	for _, d := range metrics.All() {
		if !strings.HasPrefix(d.Name, "/godebug/") && !strings.HasPrefix(d.Name, "/cgo/") {
			samples = append(samples, metrics.Sample{Name: d.Name})
		}
	}
	return samples
}

func takeSnapshot(samples []metrics.Sample) snapshot {
	s := snapshot{map[string]float64{}, map[string]histogram{}}
	for _, m := range samples {
		switch m.Value.Kind() {
		case metrics.KindUint64:
			s.scalars[m.Name] = float64(m.Value.Uint64())
		case metrics.KindFloat64:
			s.scalars[m.Name] = m.Value.Float64()
		case metrics.KindFloat64Histogram:
			if strings.HasSuffix(m.Name, ":seconds") {
				s.histograms[m.Name] = sumHistogram(m.Value.Float64Histogram())
			}
		}
	}
	return s
}

func sumHistogram(h *metrics.Float64Histogram) (sum histogram) {
	for i, n := range h.Counts {
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(low, -1) {
			low = high
		}
		if math.IsInf(high, 1) {
			high = low
		}
		sum.Count += n
		sum.TotalNS += int64(float64(n) * (low + high) / 2 * 1e9)
	}
	return sum
}

// compareSnapshots takes the CPU classes from the last snapshot, behind a
// forced GC: the runtime brings them up to date at the end of a GC only
// (runtime/mstats.go: cpuStats).
func compareSnapshots(before, after, afterGC snapshot) metricsTruth {
	m := metricsTruth{map[string]change{}, map[string]histogram{}, map[string]int64{}}
	for name, b := range before.scalars {
		if strings.HasPrefix(name, "/cpu/classes/") {
			m.CPUClasses[name] = int64(math.Round((afterGC.scalars[name] - b) * 1e9))
		} else {
			a := after.scalars[name]
			m.Scalars[name] = change{b, a, a - b}
		}
	}
	for name, b := range before.histograms {
		a := after.histograms[name]
		m.Histograms[name] = histogram{a.Count - b.Count, a.TotalNS - b.TotalNS}
	}
	return m
}

var (
	leaf    = regexp.MustCompile(`[{\[][^][{}]*[]}]`)
	newline = regexp.MustCompile(`\n *`)
)

// write indents, but keeps what fits on one line there.
func (t *truth) write(file string) error {
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	b = leaf.ReplaceAllFunc(b, func(v []byte) []byte {
		if one := newline.ReplaceAll(v, nil); len(one) < 160 {
			return one
		}
		return v
	})
	return os.WriteFile(file, append(b, '\n'), 0o666)
}
