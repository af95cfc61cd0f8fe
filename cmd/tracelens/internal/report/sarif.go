package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/parse"
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	projectURI  = "https://github.com/tracelens/tracelens"
	sourceBase  = "%SRCROOT%" // of paths below Options.SourceRoot
)

// What of SARIF 2.1.0 is written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool            `json:"tool"`
		Invocations []sarifInvocation    `json:"invocations"`
		Bases       map[string]sarifFile `json:"originalUriBaseIds,omitempty"`
		Artifacts   []sarifArtifact      `json:"artifacts"`
		Results     []sarifResult        `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string     `json:"id"`
		ShortDescription sarifText  `json:"shortDescription"`
		FullDescription  sarifText  `json:"fullDescription"`
		Help             *sarifText `json:"help,omitempty"`
		Properties       sarifTags  `json:"properties"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifTags struct {
		Tags []string `json:"tags"`
	}
	sarifInvocation struct {
		Successful bool                `json:"executionSuccessful"`
		Execution  []sarifNotification `json:"toolExecutionNotifications,omitempty"`
		Config     []sarifNotification `json:"toolConfigurationNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string        `json:"level"`
		Message sarifText     `json:"message"`
		Rule    *sarifRuleRef `json:"associatedRule,omitempty"`
	}
	sarifRuleRef struct {
		ID    string `json:"id"`
		Index int    `json:"index"`
	}
	sarifFile struct {
		URI         string     `json:"uri,omitempty"`
		Base        string     `json:"uriBaseId,omitempty"`
		Index       *int       `json:"index,omitempty"`
		Description *sarifText `json:"description,omitempty"`
	}
	sarifArtifact struct {
		Location sarifFile `json:"location"`
		Length   int64     `json:"length"`
		Roles    []string  `json:"roles"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Properties   sarifFacts        `json:"properties"`
	}
	sarifFacts struct {
		Code       string              `json:"code"`
		Confidence analysis.Confidence `json:"confidence"`
		Cost       *analysis.Cost      `json:"cost,omitempty"`
		Symptoms   []string            `json:"symptoms,omitempty"`
	}
	sarifLocation struct {
		ID       int            `json:"id,omitempty"`
		Physical sarifPlace     `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifText     `json:"message,omitempty"`
	}
	sarifPlace struct {
		File   sarifFile    `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// SARIF writes the findings as SARIF 2.1.0: a rule for each check, a result for each
// finding at the program's own code, the trace as what was analysed.
//
// Suppressed findings are notifications: code scanning shows a result even where
// the file says that it is suppressed.
func SARIF(w io.Writer, rep *analysis.Report, opt Options) error {
	s := &sarifWriter{Options: opt, quantum: rep.Trace.Quantum, trace: rep.Trace.Name}
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "tracelens", Version: Clean(strings.TrimPrefix(rep.Tool, "tracelens ")), InformationURI: projectURI,
			Rules: []sarifRule{},
		}},
		Results: []sarifResult{},
	}
	if s.SourceRoot = strings.TrimRight(slashed(opt.SourceRoot), "/"); s.SourceRoot != "" {
		root := sarifMessage("the root of the source: " + s.SourceRoot)
		base := sarifFile{Description: &root}
		if uri := pathURI(s.SourceRoot + "/"); strings.HasPrefix(uri, "file:") {
			base.URI = uri
		}
		run.Bases = map[string]sarifFile{sourceBase: base}
	}
	run.Artifacts = []sarifArtifact{{s.file(s.trace), rep.Trace.Bytes, []string{"analysisTarget"}}}

	in := sarifInvocation{Successful: rep.Trace.FaultKind != "io"}
	if f := rep.Trace.Fault; f != "" {
		in.Execution = append(in.Execution, sarifNotification{Level: "warning", Message: sarifMessage(fmt.Sprintf("The trace is incomplete after %s: %s", analysis.FormatMoment(rep.Trace.To), f))})
	}
	for _, res := range rep.Results {
		if !res.Check && len(res.Findings) == 0 {
			continue
		}
		rule := sarifRuleRef{Clean(res.Name), len(run.Tool.Driver.Rules)}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, s.rule(res))
		for i := range res.Findings {
			run.Results = append(run.Results, s.result(rule, &res.Findings[i]))
		}
		if res.Outcome == analysis.NotApplicable || res.Outcome == analysis.Failed {
			level := "note"
			if res.Outcome == analysis.Failed {
				level, in.Successful = "error", false
			}
			in.Execution = append(in.Execution, sarifNotification{level, sarifMessage(fmt.Sprintf("%s: %s", res.Outcome, res.Reason)), &rule})
		}
	}
	for i := range rep.Suppressed {
		f := &rep.Suppressed[i]
		in.Config = append(in.Config, sarifNotification{Level: "note", Message: sarifMessage(fmt.Sprintf("%s is suppressed (%s, %s): %s", f.Code, f.Source, f.Reason, f.Summary))})
	}
	run.Invocations = []sarifInvocation{in}

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}}); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	_, err := w.Write(Escape(b.Bytes()))
	return err
}

type sarifWriter struct {
	Options
	quantum int64
	trace   string
}

func (s *sarifWriter) rule(res *analysis.Result) sarifRule {
	title := sarifMessage(res.Title)
	rule := sarifRule{ID: Clean(res.Name), ShortDescription: title, FullDescription: title, Properties: sarifTags{[]string{"go", "performance"}}}
	if page := s.Pages[res.Name]; page != "" {
		var text bytes.Buffer
		if Page(&text, page, Options{Width: maxProse}) == nil {
			rule.Help = &sarifText{text.String(), page}
		}
	}
	return rule
}

func (s *sarifWriter) result(rule sarifRuleRef, f *analysis.Finding) sarifResult {
	text := sentence(f.Summary)
	for _, more := range []string{f.Advice, f.Caveat} {
		if more != "" {
			text += " " + sentence(more)
		}
	}
	level := f.Severity
	if level.Rank() == 0 { // a saved report may hold anything
		level = analysis.Warning
	}
	where := s.place(f.Evidence)
	r := sarifResult{
		RuleID: rule.ID, RuleIndex: rule.Index, Level: string(level),
		Message:   sarifMessage(text),
		Locations: []sarifLocation{s.location(where, f.Trace)},
		// Only the first is what GitHub compares.
		Fingerprints: map[string]string{"primaryLocationLineHash": fingerprint(f, where), "codeAndFunction/v1": fingerprint(f, where)},
		Properties:   sarifFacts{Code: Clean(f.Code), Confidence: f.Confidence},
	}
	if f.Cost.Total > 0 {
		r.Properties.Cost = &f.Cost
	}
	for i := range f.Symptoms {
		r.Properties.Symptoms = append(r.Properties.Symptoms, Clean(f.Symptoms[i].Code))
	}
	for i, e := range f.Evidence {
		at := s.place([]analysis.Evidence{e})
		l := s.location(at, f.Trace)
		l.ID = i + 1
		said := sarifMessage(s.moment(&e))
		l.Message = &said
		r.Related = append(r.Related, l)
	}
	return r
}

// sarifMessage is text in which [text](address) is no link: viewers make one.
func sarifMessage(s string) sarifText {
	return sarifText{Text: strings.ReplaceAll(Clean(s), "](", "] (")}
}

func sentence(s string) string {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// moment says when and where in the trace evidence is.
func (s *sarifWriter) moment(e *analysis.Evidence) string {
	text := "At " + analysis.FormatMoment(e.From)
	if e.To > e.From {
		text += " for " + analysis.FormatDuration(e.To-e.From, s.quantum)
	}
	if e.P != nil {
		text += fmt.Sprintf(", P %d", *e.P)
	}
	if e.G != nil {
		text += fmt.Sprintf(", G %d", *e.G)
	}
	for _, more := range []string{e.Func, e.Note} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

// place is where in the program the evidence is: the innermost frame below the
// source root, or else outside the standard library, or outside the runtime.
func (s *sarifWriter) place(evidence []analysis.Evidence) analysis.Frame {
	for _, own := range []func(analysis.Frame) bool{
		func(f analysis.Frame) bool {
			return s.SourceRoot != "" && strings.HasPrefix(slashed(f.File), s.SourceRoot+"/")
		},
		func(f analysis.Frame) bool { return !parse.IsStd(f.Func) },
		func(f analysis.Frame) bool { return !strings.HasPrefix(f.Func, "runtime.") },
	} {
		for _, e := range evidence {
			for _, f := range e.Stack {
				if f.File != "" && own(f) {
					return f
				}
			}
		}
	}
	return analysis.Frame{}
}

// location is that of a frame, or the trace where there is none, of many the one that is
// named: a result must have one to be shown.
func (s *sarifWriter) location(f analysis.Frame, trace string) sarifLocation {
	if f.File == "" && trace != "" {
		return sarifLocation{Physical: sarifPlace{File: s.file(trace)}}
	}
	if f.File == "" {
		file, index := s.file(s.trace), 0
		file.Index = &index
		return sarifLocation{Physical: sarifPlace{File: file}}
	}
	l := sarifLocation{Physical: sarifPlace{File: s.file(f.File)}}
	if f.Line > 0 {
		l.Physical.Region = &sarifRegion{f.Line}
	}
	if f.Func != "" {
		l.Logical = []sarifLogical{{Clean(f.Func), "function"}}
	}
	return l
}

func (s *sarifWriter) file(name string) sarifFile {
	if s.SourceRoot != "" {
		if rel, ok := strings.CutPrefix(slashed(name), s.SourceRoot+"/"); ok {
			return sarifFile{URI: pathURI(rel), Base: sourceBase}
		}
	}
	return sarifFile{URI: pathURI(name)}
}

// slashed writes a path of Windows, of which there may be some in a trace, with slashes.
func slashed(path string) string {
	if len(path) > 2 && path[1] == ':' && strings.ContainsAny(path[2:3], `\/`) {
		return strings.ReplaceAll(path, `\`, "/")
	}
	return path
}

// pathURI is a path as a URI, or a relative reference.
func pathURI(path string) string {
	path = slashed(path)
	u := url.URL{Path: path}
	switch {
	case len(path) > 2 && path[1] == ':' && path[2] == '/':
		u = url.URL{Scheme: "file", Path: "/" + path}
	case strings.HasPrefix(path, "/"):
		u.Scheme = "file"
	}
	return u.String()
}

// fingerprint is the same for a finding in another trace of the same program, also
// when lines move.
func fingerprint(f *analysis.Finding, where analysis.Frame) string {
	fn := where.Func
	if fn == "" && len(f.Evidence) > 0 {
		fn = f.Evidence[0].Func
	}
	sum := sha256.Sum256([]byte(f.Code + "\x00" + fn))
	return hex.EncodeToString(sum[:8])
}
