// Package config reads tracelens.yaml: which checks run, at which values they fire,
// how severe a finding is, and which findings are known and accepted.
// What it does not set is the catalogue's.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/compare"
	"github.com/tracelens/tracelens/analysis/fleet"
)

// FileName is the name under which a configuration is looked for.
const FileName = "tracelens.yaml"

// maxBytes is more than anyone writes by hand.
const maxBytes = 1 << 20

// off is the level of checks that do not run, and of findings left out.
const off = "off"

// A Config is a configuration in force. It is not changed after Parse.
type Config struct {
	File string // "" where there is none

	preset       preset
	presetFrom   string
	levels       map[string]map[analysis.Severity]setting // by threshold
	severities   map[string]severity                      // by check or code
	suppressions []suppression
	budgets      []fleet.Budget
	differences  []compare.Budget
	requests     []string // functions
}

// A setting is one level of one threshold.
type setting struct {
	value float64
	from  string // file:line
}

type severity struct {
	level string // of a finding, or off
	from  string
}

type suppression struct {
	analysis.Suppression
	code, function, file func(string) bool
}

// Default is the configuration where there is no file.
func Default() *Config {
	return &Config{preset: presets[0]}
}

// An Error is what is wrong in a configuration.
type Error struct {
	File string
	Line int // 0 for the whole file
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Errors are all that is wrong in a configuration, in the order of its lines.
type Errors []*Error

func (e Errors) Error() string {
	var lines []string
	for _, err := range e {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// names are what the file may be called.
var names = []string{FileName, strings.TrimSuffix(FileName, ".yaml") + ".yml"}

// Find returns the path of the configuration for a directory: that in the nearest
// directory above that has one, up to the root of the repository or to the home of the user; outside of one that in
// the directory alone. A file of another user is an error. It is "" where there is none.
func Find(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	top := repository(dir)
	home, _ := os.UserHomeDir()
	for start := dir; ; {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				if !ours(info) {
					return "", Errors{{File: path, Msg: "it belongs to another user: name it with --config if it is to count"}}
				}
				if rel, err := filepath.Rel(start, path); err == nil {
					path = rel
				}
				return path, nil
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
		if dir == top || dir == home {
			return "", nil
		}
		dir = filepath.Dir(dir)
	}
}

// repository is the root of the repository that a directory is in, the directory itself
// where it is in none.
func repository(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// Load reads a configuration for a catalogue.
func Load(path string, catalogue []*analysis.Analyzer) (*Config, error) {
	fault := func(err error) error {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return Errors{{File: path, Msg: err.Error()}}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fault(err)
	}
	return Parse(path, data, catalogue)
}

// InForce is a threshold with the levels that count, and where each comes from.
type InForce struct {
	analysis.Threshold
	From map[analysis.Severity]string // of the levels that are set: "default", "preset strict" or file:line
}

// Thresholds are those of an analyzer.
func (c *Config) Thresholds(a *analysis.Analyzer) []InForce {
	var out []InForce
	for _, t := range a.Thresholds {
		from := "default"
		f := InForce{Threshold: t, From: make(map[analysis.Severity]string)}
		if c.preset.levels != nil {
			f.Levels = c.preset.levels(t)
			if f.Levels != t.Levels {
				from = "preset " + c.preset.Name
			}
		}
		for _, s := range analysis.Severities {
			if set, ok := c.levels[t.Name][s]; ok {
				*f.Levels.At(s) = set.value
				f.From[s] = set.from
			} else if *f.Levels.At(s) != 0 {
				f.From[s] = from
			}
		}
		out = append(out, f)
	}
	return out
}

// Levels are those of the catalogue's thresholds that are not the default: what
// analysis.Options wants.
func (c *Config) Levels(catalogue []*analysis.Analyzer) map[string]analysis.Levels {
	out := make(map[string]analysis.Levels)
	for _, a := range catalogue {
		for i, t := range c.Thresholds(a) {
			if t.Levels != a.Thresholds[i].Levels {
				out[t.Name] = t.Levels
			}
		}
	}
	return out
}

// Requests are the functions of which each call is a request: what parse.Options wants.
func (c *Config) Requests() []string { return c.requests }

// Severity says what a check is set to: a level or off, and by what. It is "" where
// nothing is set.
func (c *Config) Severity(a *analysis.Analyzer) (level, from string) {
	if s, ok := c.severities[a.Name]; ok {
		return s.level, s.from
	}
	if c.preset.batch && a.Interactive {
		return off, "preset " + c.preset.Name
	}
	return "", ""
}

// Off tells whether a check is not to be run.
func (c *Config) Off(a *analysis.Analyzer) bool {
	level, _ := c.Severity(a)
	return level == off && len(a.Thresholds) > 0
}

// Preset is the preset in force, and where it is set.
func (c *Config) Preset() (name, from string) {
	if c.presetFrom == "" {
		return c.preset.Name, "default"
	}
	return c.preset.Name, c.presetFrom
}

// mostListed is how many names an error lists.
const mostListed = 10

// lists are the commands that list all names of a kind.
var lists = map[string]string{
	"analyzer":           "tracelens explain",
	"analyzer or metric": "tracelens explain",
	"check":              "tracelens explain",
	"figure":             "tracelens plot --list",
	"metric":             "tracelens explain metrics",
	"table":              "tracelens analyze --format csv -o DIR/",
	"threshold":          "tracelens explain --thresholds",
}

// Unknown is the error for a name that is not among names: with the likely ones, or with
// all of them, or with the nearest and the command that lists all.
func Unknown(what, name string, names []string) error {
	all := lists[what]
	known := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		known.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	if len(name) > 100 {
		name = name[:100] + "…" // to look for what is near takes its time
	}
	near := known.SuggestionsFor(name)
	switch {
	case len(near) > 0 && len(near) <= mostListed && name != "":
		return fmt.Errorf("unknown %s %q; did you mean %s?", what, name, strings.Join(near, " or "))
	case len(names) <= mostListed || all == "":
		return fmt.Errorf("unknown %s %q; there are: %s", what, name, strings.Join(names, ", "))
	}
	near = slices.Clone(names)
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	return fmt.Errorf("unknown %s %q; the nearest of %d are %s, %s and %s: '%s' lists all", what, name, len(names), near[0], near[1], near[2], all)
}

// distance is how many bytes differ between two names (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
