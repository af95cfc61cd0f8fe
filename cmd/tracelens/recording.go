package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/parse"
)

// sidecar is what FILE.json says of a recording.
type sidecar struct {
	Schema   int              `json:"schema"`
	Tool     string           `json:"tool"`
	Source   string           `json:"source"`
	Began    time.Time        `json:"began"`
	Seconds  float64          `json:"seconds"` // it took
	Asked    float64          `json:"asked_seconds"`
	Why      string           `json:"why"`
	Bytes    int64            `json:"bytes"` // received
	Fault    string           `json:"fault,omitempty"`
	Trace    analysis.Summary `json:"trace"`
	Findings []noted          `json:"findings,omitempty"`
}

type noted struct {
	Code     string            `json:"code"`
	Severity analysis.Severity `json:"severity"`
	Summary  string            `json:"summary"`
}

// conclude analyses a recording, keeps it if it is worth it, and says what it shows.
func (r *recorder) conclude(cmd *cobra.Command, rec *recording) error {
	rep, err := r.analyze(cmd.Context(), rec)
	if err != nil && (r.when != nil || r.keepIf != "") {
		return &failure{rec.name, err}
	}
	if err != nil { // it is kept: what cannot be read today may be read one day
		if rec.fault == "" {
			rec.fault = err.Error()
		}
		path, e := r.store(rec, &analysis.Report{Tool: "tracelens " + version()}, "asked for")
		if e != nil {
			return e
		}
		if cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		return &failure{path, err}
	}
	out := cmd.OutOrStdout()
	why := "asked for"
	if r.every > 0 {
		why = fmt.Sprintf("every %v", r.every)
	}
	if r.when != nil {
		holds, is := r.when.Holds(rep)
		if !holds {
			return say(out, "%s: not kept: %s\n", rec.name, is)
		}
		why += ": " + is
	}
	if r.keepIf != "" {
		n := config.AtOrAbove(rep, r.keepIf)
		if n == 0 {
			return say(out, "%s: not kept: no finding at or above %s\n", rec.name, r.keepIf)
		}
		why += fmt.Sprintf(": %s at or above %s", plural(n, "finding"), r.keepIf)
	}
	path, err := r.store(rec, rep, why)
	if err != nil {
		return err
	}
	rep.Trace.Name = path
	if err := r.trim(); err != nil {
		return &failure{r.folder, err}
	}
	if r.every > 0 || len(r.sources) > 1 {
		return say(out, "%s: %s\n", path, worst(rep.Findings()))
	}
	opt, err := display(out, "auto")
	if err != nil {
		return err
	}
	opt.Brief = true
	if err := report.Text(out, rep, opt); err != nil {
		return &failure{"standard output", err}
	}
	return nil
}

func say(out io.Writer, format string, args ...any) error {
	if _, err := io.WriteString(out, report.Clean(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))+"\n"); err != nil {
		return &failure{"standard output", err}
	}
	return nil
}

// worst says the gravest of the findings in one line.
func worst(findings []*analysis.Finding) string {
	line, rank := "nothing found", 0
	for _, f := range findings {
		if f.Severity.Rank() > rank {
			rank = f.Severity.Rank()
			line = fmt.Sprintf("%s: %s (%s)", f.Severity, f.Summary, f.Code)
		}
	}
	return line
}

// analyze reads a recording, also one that an interrupt has ended.
func (r *recorder) analyze(ctx context.Context, rec *recording) (*analysis.Report, error) {
	file, err := os.Open(rec.temp)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opt := analysis.Options{Options: parse.Options{MaxBytes: mostFetched, Requests: r.cfg.Requests()}, Levels: r.cfg.Levels(r.analyzers)}
	rep, err := analysis.Analyze(context.WithoutCancel(ctx), file, rec.name, opt, r.analyzers)
	if err != nil {
		return nil, err
	}
	r.cfg.Apply(rep, time.Now())
	if rep.Config != nil {
		rep.Config.Off = r.off
	}
	rep.Tool = "tracelens " + version()
	return rep, nil
}

// store gives a recording its name, and writes what is known of it beside.
func (r *recorder) store(rec *recording, rep *analysis.Report, why string) (path string, err error) {
	path = r.file
	if path == "" {
		stem := filepath.Join(r.folder, fileName(rec.target.host)+"-"+rec.began.UTC().Format("20060102T150405Z"))
		path = stem + recorded
		for i := 2; ; i++ {
			if _, err := os.Lstat(path); err != nil {
				break
			}
			path = stem + "-" + strconv.Itoa(i) + recorded
		}
	}
	about := sidecar{Schema: 1, Tool: rep.Tool, Source: rec.name, Began: rec.began.UTC(), Seconds: rec.took.Seconds(), Asked: r.asked.Seconds(), Why: why, Bytes: rec.bytes, Fault: rec.fault, Trace: rep.Trace}
	about.Trace.Name = filepath.Base(path)
	for _, f := range rep.Findings() {
		about.Findings = append(about.Findings, noted{f.Code, f.Severity, f.Summary})
	}
	err = writeFile(path+".json", func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(about)
	})
	if err != nil {
		return "", &failure{path + ".json", err}
	}
	if err := os.Chmod(rec.temp, 0o644); err != nil {
		return "", &failure{path, err}
	}
	if err := os.Rename(rec.temp, path); err != nil {
		os.Remove(path + ".json")
		return "", &failure{path, err}
	}
	return path, nil
}

// recorded is how the names of recordings end.
const recorded = ".trace.gz"

// trim removes the oldest recordings beyond --keep. The newest stays.
func (r *recorder) trim() error {
	if r.keep == 0 {
		return nil
	}
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		return err
	}
	type file struct {
		path string
		at   time.Time
		size int64
	}
	var files []file
	for _, e := range entries {
		path := filepath.Join(r.folder, e.Name())
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasSuffix(e.Name(), recorded) {
			continue
		}
		beside, err := os.ReadFile(path + ".json")
		var about sidecar
		if err != nil || json.Unmarshal(beside, &about) != nil || !strings.HasPrefix(about.Tool, "tracelens ") {
			continue // somebody else's
		}
		files = append(files, file{path, about.Began, info.Size() + int64(len(beside))})
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(b.at.Compare(a.at), strings.Compare(b.path, a.path))
	})
	total := int64(0)
	for i, f := range files {
		if total += f.size; i == 0 || total <= r.keep {
			continue
		}
		total -= f.size
		for _, path := range []string{f.path, f.path + ".json"} {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
