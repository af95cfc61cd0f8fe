package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

	"github.com/tracelens/tracelens/analysis"
)

// A key is one that a mapping of the file may have. The tables of keys are what the
// parser knows and what the schema for editors says.
type key struct {
	name, doc string
	schema    func(*schemas) object
	read      func(*parser, *yaml.Node)
}

// keys are those of the file.
var keys []key

// suppressionKeys are those of a suppression.
var suppressionKeys = []struct {
	name, doc string
	field     func(*suppression) *string
}{
	{"code", "code of the findings, or check; * and ? match anything", func(s *suppression) *string { return &s.Code }},
	{"function", "a function of the evidence, such as main.(*Server).*; * and ? match anything", func(s *suppression) *string { return &s.Func }},
	{"file", "a file of the evidence's stacks, such as internal/gen/**; it may begin at any folder; * stays within a folder", func(s *suppression) *string { return &s.File }},
	{"reason", "why they are accepted", func(s *suppression) *string { return &s.Reason }},
	{"expires", "the last day it counts, such as 2027-01-31", func(s *suppression) *string { return &s.Expires }},
}

func init() { // the functions refer to keys
	keys = []key{
		{"preset", "the levels to start from", presetSchema, (*parser).preset},
		{"thresholds", "the values at which checks fire: one for the lowest level, or several by severity; never for none", thresholdsSchema, (*parser).thresholds},
		{"severities", "how severe the findings of a check, or of one code, are; off does not run the check, or leaves findings of the code out", severitiesSchema, (*parser).severities},
		{"suppressions", "findings that are known and accepted", suppressionsSchema, (*parser).suppressions},
		{"budgets", "bounds of metrics over the traces of an audit, and of their differences in a comparison", budgetsSchema, (*parser).budgets},
		{"requests", "functions that serve a request, beside those that are known", requestsSchema, (*parser).requests},
	}
}

// parser collects what a file says and what is wrong in it.
type parser struct {
	file      string
	catalogue []*analysis.Analyzer
	finders   []string // names of the analyzers that may have findings
	c         *Config
	errs      Errors
}

// finders are the names of the analyzers that may have findings.
func finders(catalogue []*analysis.Analyzer) []string {
	var names []string
	for _, a := range catalogue {
		if len(a.Thresholds) > 0 {
			names = append(names, a.Name)
		}
	}
	return names
}

// Parse reads a configuration for a catalogue. The error is Errors; file stands in
// it and in what is said of the settings.
func Parse(file string, data []byte, catalogue []*analysis.Analyzer) (*Config, error) {
	p := &parser{file: file, catalogue: catalogue, finders: finders(catalogue), c: Default()}
	p.c.File = file
	p.c.levels = make(map[string]map[analysis.Severity]setting)
	p.c.severities = make(map[string]severity)
	p.document(data)
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b *Error) int { return a.Line - b.Line })
		return nil, p.errs
	}
	return p.c, nil
}

func (p *parser) document(data []byte) {
	if len(data) > maxBytes {
		p.fault(0, "is larger than %d bytes", maxBytes)
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		p.syntax(err, data)
		return
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		p.fault(more.Line, "a second document begins; there must be one")
		return
	case !errors.Is(err, io.EOF):
		p.syntax(err, data)
		return
	}
	root := doc.Content[0]
	if root.ShortTag() == "!!null" {
		return
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	// The preset counts first, wherever it stands: other settings build on it.
	for i := 0; i+1 < len(root.Content) && root.Kind == yaml.MappingNode; i += 2 {
		if root.Content[i].Value == "preset" {
			p.preset(root.Content[i+1])
			break
		}
	}
	p.mapping(root, "the file", func(name string, k, v *yaml.Node) {
		if i := slices.Index(names, name); i < 0 {
			p.unknown(k.Line, "key", name, names)
		} else if name != "preset" {
			keys[i].read(p, v)
		}
	})
}

var anchorError = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (p *parser) syntax(err error, data []byte) {
	line, msg := 1, err.Error() // the library says no line for the first, and for bytes that are no text
	m := syntaxError.FindStringSubmatch(msg)
	if m != nil {
		msg = m[2]
	}
	if a := anchorError.FindStringSubmatch(msg); a != nil {
		line += bytes.Count(data[:max(0, bytes.Index(data, []byte("*"+a[1])))], []byte("\n"))
	} else if m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	} else if i := bytes.IndexFunc(data, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) && !strings.ContainsRune("\t\r\n\u0085", r)
	}); i >= 0 {
		line += bytes.Count(data[:i], []byte("\n"))
	}
	p.fault(line, "not valid YAML: %s", msg)
}

func (p *parser) fault(line int, format string, args ...any) {
	p.errs = append(p.errs, &Error{p.file, line, fmt.Sprintf(format, args...)})
}

func (p *parser) unknown(line int, what, name string, names []string) {
	p.fault(line, "%s", Unknown(what, name, names).Error())
}

func (p *parser) from(line int) string { return fmt.Sprintf("%s:%d", p.file, line) }

// kind names what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which is not supported"
	}
	if n.ShortTag() == "!!null" {
		return "empty"
	}
	return strconv.Quote(n.Value)
}

// mapping calls each for the keys of a mapping.
func (p *parser) mapping(n *yaml.Node, what string, each func(name string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fault(n.Line, "%s is %s, must be a mapping", what, kind(n))
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.fault(k.Line, "a key of %s is %s, must be text", what, kind(k))
			continue
		}
		if line, twice := seen[k.Value]; twice {
			p.fault(k.Line, "%q is already in line %d", k.Value, line)
			continue
		}
		seen[k.Value] = k.Line
		each(k.Value, k, v)
	}
}

// text returns a scalar as it is written.
func (p *parser) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		p.fault(n.Line, "%s is %s, must be text", what, kind(n))
		return "", false
	}
	return n.Value, true
}

func (p *parser) preset(n *yaml.Node) {
	name, ok := p.text(n, "preset")
	if !ok {
		return
	}
	var names []string
	for _, ps := range presets {
		names = append(names, ps.Name)
		if ps.Name == name {
			p.c.preset, p.c.presetFrom = ps, p.from(n.Line)
			return
		}
	}
	p.unknown(n.Line, "preset", name, names)
}

func (p *parser) thresholds(n *yaml.Node) {
	known := make(map[string]InForce)
	var names []string
	for _, a := range p.catalogue {
		for _, t := range p.c.Thresholds(a) {
			known[t.Name] = t
			names = append(names, t.Name)
		}
	}
	p.mapping(n, "thresholds", func(name string, k, v *yaml.Node) {
		t, ok := known[name]
		if !ok {
			// The list of a check's own says more than that of all.
			check, _, _ := strings.Cut(name, ".")
			own := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, check+".") })
			if len(own) == 0 {
				own = names
			}
			p.unknown(k.Line, "threshold", name, own)
			return
		}
		p.threshold(&t, k, v)
	})
}

// threshold reads what stands at a threshold: one value, or several by severity.
func (p *parser) threshold(t *InForce, k, v *yaml.Node) {
	set := make(map[analysis.Severity]setting)
	read := func(s analysis.Severity, n *yaml.Node) {
		if text, ok := p.text(n, t.Name); ok {
			value, err := parseValue(text, &t.Threshold)
			if err != nil {
				p.fault(n.Line, "%s", err.Error())
				return
			}
			set[s] = setting{value, p.from(n.Line)}
		}
	}
	before := len(p.errs)
	switch v.Kind {
	case yaml.ScalarNode:
		lowest := analysis.Note
		for _, s := range analysis.Severities {
			if *t.Levels.At(s) != 0 {
				lowest = s
				break
			}
		}
		read(lowest, v)
	case yaml.MappingNode:
		var names []string
		for _, s := range analysis.Severities {
			names = append(names, string(s))
		}
		p.mapping(v, t.Name, func(name string, k, v *yaml.Node) {
			if !slices.Contains(names, name) {
				p.unknown(k.Line, "level", name, names)
				return
			}
			read(analysis.Severity(name), v)
		})
	default:
		p.fault(v.Line, "%s is %s, must be a value or a mapping of levels", t.Name, kind(v))
	}
	if len(p.errs) > before {
		return
	}
	p.c.levels[t.Name] = set
	p.order(t, k.Line)
}

// order checks that a graver level is not reached before a lesser one.
func (p *parser) order(t *InForce, line int) {
	type step struct {
		s    analysis.Severity
		v    float64
		from string
	}
	var last *step
	for _, s := range analysis.Severities {
		now := step{s, *t.Levels.At(s), t.From[s]}
		if set, ok := p.c.levels[t.Name][s]; ok {
			now.v, now.from = set.value, set.from
		}
		if now.v == 0 {
			continue
		}
		if last != nil && (now.v < last.v) != t.Below && now.v != last.v {
			say := func(x *step) string {
				return fmt.Sprintf("%s at %s (%s)", x.s, format(x.v, t.Unit), x.from)
			}
			p.fault(line, "%s: %s is reached before %s; set both", t.Name, say(&now), say(last))
			return
		}
		last = &now
	}
}

// levelNames are what a severity may be set to.
func levelNames() []string {
	names := []string{off}
	for _, s := range analysis.Severities {
		names = append(names, string(s))
	}
	return names
}

func (p *parser) severities(n *yaml.Node) {
	p.mapping(n, "severities", func(name string, k, v *yaml.Node) {
		check, variant, isCode := strings.Cut(name, "/")
		if !slices.Contains(p.finders, check) {
			p.unknown(k.Line, "check", check, p.finders)
			return
		}
		if isCode && variant == "" {
			p.fault(k.Line, "%q is not a code: nothing follows the /", name)
			return
		}
		level, ok := p.text(v, name)
		if !ok {
			return
		}
		if !slices.Contains(levelNames(), level) {
			p.unknown(v.Line, "level", level, levelNames())
			return
		}
		p.c.severities[name] = severity{level, p.from(k.Line)}
	})
}

func (p *parser) suppressions(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n.Line, "suppressions is %s, must be a list", kind(n))
		return
	}
	var names []string
	for _, k := range suppressionKeys {
		names = append(names, k.name)
	}
	for _, item := range n.Content {
		var s suppression
		before := len(p.errs)
		lines := make(map[string]int)
		p.mapping(item, "a suppression", func(name string, k, v *yaml.Node) {
			i := slices.Index(names, name)
			if i < 0 {
				p.unknown(k.Line, "key", name, names)
				return
			}
			text, ok := p.text(v, name)
			if text = strings.TrimSpace(text); ok && text == "" {
				p.fault(v.Line, "%s is empty", name)
			}
			lines[name] = v.Line
			*suppressionKeys[i].field(&s) = text
		})
		if len(p.errs) > before {
			continue
		}
		s.Source = p.from(item.Line)
		if s.Reason == "" {
			p.fault(item.Line, "a suppression without a reason: say why these findings are accepted")
		}
		if s.Code+s.Func+s.File == "" {
			p.fault(item.Line, "a suppression of everything: it needs a code, a function or a file")
		}
		if s.Code != "" {
			p.checkCode(lines["code"], s.Code)
		}
		if s.Expires != "" {
			if _, err := time.Parse(time.DateOnly, s.Expires); err != nil {
				p.fault(lines["expires"], "%q is not a day; write it as 2027-01-31", s.Expires)
			}
		}
		file, err := FileGlob(s.File)
		if err != nil {
			p.fault(lines["file"], "%v", err)
		}
		s.code, s.function, s.file = glob(s.Code), glob(s.Func), file
		p.c.suppressions = append(p.c.suppressions, s)
	}
}

// checkCode sees to it that a pattern of codes can match a finding.
func (p *parser) checkCode(line int, pattern string) {
	check, _, _ := strings.Cut(pattern, "/")
	if strings.ContainsAny(check, "*?") {
		match := glob(check)
		if !slices.ContainsFunc(p.finders, match) {
			p.fault(line, "%q matches no check: '%s' lists all", check, lists["check"])
		}
	} else if !slices.Contains(p.finders, check) {
		p.unknown(line, "check", check, p.finders)
	}
}

// glob matches text in which * stands for anything and ? for one character.
func glob(pattern string) func(string) bool {
	text := regexp.QuoteMeta(pattern)
	re, err := regexp.Compile("(?s)^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(text) + "$")
	if err != nil { // too long for the package
		return func(s string) bool { return s == pattern }
	}
	return re.MatchString
}

// FileGlob matches paths that end in the pattern at a folder, as doublestar has them: **
// stands for any folders, * and ? for what is within one, [a-c] and {a,b} for one of these.
func FileGlob(pattern string) (func(string) bool, error) {
	if !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("%q is not a pattern of files", pattern)
	}
	if !strings.HasPrefix(pattern, "/") {
		pattern = "**/" + pattern
	}
	return func(path string) bool { return doublestar.MatchUnvalidated(pattern, path) }, nil
}

// requestKey is that of an entry of requests.
const requestKey = "entry"

// requests reads the functions of which each call is a request.
func (p *parser) requests(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n.Line, "requests is %s, must be a list", kind(n))
		return
	}
	for _, item := range n.Content {
		before, named := len(p.errs), false
		p.mapping(item, "an entry of requests", func(name string, k, v *yaml.Node) {
			if name != requestKey {
				p.unknown(k.Line, "key", name, []string{requestKey})
				return
			}
			fn, ok := p.text(v, requestKey)
			fn = strings.TrimSpace(fn)
			switch {
			case !ok:
				return
			case fn == "" || !strings.Contains(fn, ".") || strings.ContainsAny(fn, " *?") && !strings.Contains(fn, "(*"):
				p.fault(v.Line, "%q is no function as stacks name it, such as main.(*Server).handle", fn)
				return
			}
			named = true
			p.c.requests = append(p.c.requests, fn)
		})
		if !named && len(p.errs) == before {
			p.fault(item.Line, "an entry of requests without %s: name the function that serves one", requestKey)
		}
	}
}
