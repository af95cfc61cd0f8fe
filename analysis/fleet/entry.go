// Package fleet concludes from many traces: which one stands out, how each metric is
// distributed over them, what fires where, and whether a budget holds.
//
//	trace → analysis.Report → Entry → Fleet.Add → Fleet.Report → analysis.Report
//
// An Entry is all that is kept of one input. The Report of a Fleet depends on the set
// of its Entries only, not on their order or on how they were grouped on the way.
package fleet

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// Schema is the version of an Entry's encoding. An Entry of another version is
// refused.
const Schema = 3

// An Entry is what one input comes to: the results of its trace, or why there are none.
type Entry struct {
	Schema   int    `json:"schema"`
	Tool     string `json:"tool"`
	Settings string `json:"settings"` // a digest of all that the results depend on beside the trace
	Path     string `json:"path"`
	Hash     string `json:"hash,omitempty"`    // SHA-256 of the file in hex, "" where it was not read to its end
	Failure  string `json:"failure,omitempty"` // why there is no trace; what follows is empty then

	Trace    analysis.Summary             `json:"trace"`
	Metrics  map[string]analysis.Metric   `json:"metrics,omitempty"`
	Findings []analysis.Finding           `json:"findings,omitempty"` // flat, each with its first evidence
	Pools    map[string]*sketch.Histogram `json:"pools,omitempty"`
}

// NewEntry keeps of a report what a Fleet wants.
func NewEntry(rep *analysis.Report, settings, hash string) *Entry {
	e := &Entry{Schema: Schema, Tool: rep.Tool, Settings: settings, Path: rep.Trace.Name, Hash: hash, Trace: rep.Trace, Metrics: rep.Metrics, Pools: rep.Pools}
	for _, f := range rep.Findings() {
		e.keep(*f)
	}
	return e
}

func (e *Entry) keep(f analysis.Finding) {
	symptoms := f.Symptoms
	f.Symptoms, f.Figure = nil, ""
	f.Evidence = f.Evidence[:min(len(f.Evidence), 1)]
	e.Findings = append(e.Findings, f)
	for _, s := range symptoms {
		e.keep(s)
	}
}

// sound reports whether e counts among the values of traces.
func (e *Entry) sound() bool { return e.Failure == "" && e.Trace.Sound() }

// Encode writes e, compressed.
func (e *Entry) Encode(w io.Writer) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	defer enc.Close()
	_, err = w.Write(enc.EncodeAll(text, nil))
	return err
}

// maxEntry bounds what a damaged Entry can make Decode hold.
const maxEntry = 64 << 20

// Decode reads what Encode wrote.
func Decode(data []byte) (*Entry, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxEntry))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	text, err := dec.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("no audit entry: %w", err)
	}
	e := new(Entry)
	wrong := json.Unmarshal(text, e)
	version := e.Schema
	if wrong != nil { // of another version, perhaps
		var only struct{ Schema int }
		if json.Unmarshal(text, &only) == nil {
			version = only.Schema
		}
	}
	switch {
	case version != Schema && (wrong == nil || version != 0):
		return nil, fmt.Errorf("an audit entry of version %d; this is version %d", version, Schema)
	case wrong != nil:
		return nil, fmt.Errorf("no audit entry: %w", wrong)
	}
	for id, h := range e.Pools {
		if h == nil {
			return nil, fmt.Errorf("no audit entry: pool %s is null", id)
		}
	}
	return e, nil
}
