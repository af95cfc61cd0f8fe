package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	reflected "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/fleet"
	"github.com/tracelens/tracelens/analysis/passes"
	"github.com/tracelens/tracelens/internal/corpus"
)

// enums are the types whose values are a closed list.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[analysis.Outcome]():    {analysis.Found, analysis.Clear, analysis.NotApplicable, analysis.Failed},
	reflect.TypeFor[analysis.Severity]():   {analysis.Note, analysis.Warning, analysis.Error},
	reflect.TypeFor[analysis.Confidence](): {analysis.Measured, analysis.Inferred, analysis.Heuristic},
	reflect.TypeFor[analysis.Polarity]():   {analysis.Neutral, analysis.Lower, analysis.Higher},
}

// schemaOf makes the schema from the types and their comments.
func schemaOf(t *testing.T) []byte {
	t.Helper()
	r := &reflected.Reflector{
		Anonymous: true,
		Mapper: func(typ reflect.Type) *reflected.Schema {
			if values := enums[typ]; values != nil {
				return &reflected.Schema{Type: "string", Enum: values}
			}
			switch typ {
			case reflect.TypeFor[analysis.Number]():
				return &reflected.Schema{Extras: map[string]any{"type": []string{"number", "null"}}}
			case reflect.TypeFor[any]():
				return &reflected.Schema{Extras: map[string]any{"type": []string{"number", "string", "null"}}}
			}
			return nil
		},
	}
	root := corpus.Root(t)
	t.Chdir(root)
	if err := r.AddGoComments("github.com/tracelens/tracelens", "./analysis", reflected.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&analysis.Report{})
	s.Version = "http://json-schema.org/draft-07/schema#"
	s.Title = fmt.Sprintf("A report of tracelens, schema %d", analysis.Schema)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// $defs is what newer drafts call them; editors know definitions as well.
	data = bytes.ReplaceAll(data, []byte(`"$defs"`), []byte(`"definitions"`))
	return append(bytes.ReplaceAll(data, []byte(`#/$defs/`), []byte(`#/definitions/`)), '\n')
}

// TestSchema: the schema is that of the types, and every report is valid by it.
func TestSchema(t *testing.T) {
	golden(t, mustAbs(t, "report.schema.json"), schemaOf(t))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(name string, data []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return schema.Validate(v)
	}
	root := corpus.Root(t)
	saved, err := filepath.Glob(filepath.Join(root, "cmd/tracelens/internal/report/testdata/*.json"))
	if err != nil || len(saved) == 0 {
		t.Fatal("no saved reports", err)
	}
	for _, path := range saved {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(path, data); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	paths, err := filepath.Glob(filepath.Join(root, "testdata/traces/*.trace"))
	if err != nil {
		t.Fatal(err)
	}
	fl := fleet.New(fleet.Options{})
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := analysis.Analyze(context.Background(), f, filepath.Base(path), analysis.Options{}, passes.All())
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := fl.Add(fleet.NewEntry(rep, "", "")); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := JSON(&b, rep, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := valid(path, b.Bytes()); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	var b bytes.Buffer
	rep, err := fl.Report("audit")
	if err != nil {
		t.Fatal(err)
	}
	if err := JSON(&b, rep, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := valid("audit", b.Bytes()); err != nil {
		t.Errorf("audit: %v", err)
	}
	for _, wrong := range []string{`{}`, `{"schema":"2"}`, strings.Replace(b.String(), `"outcome": "`, `"outcome": "un`, 1), strings.Replace(b.String(), `"results": [`, `"resalts": [`, 1)} {
		if valid("wrong", []byte(wrong)) == nil {
			t.Errorf("valid: %.100s", wrong)
		}
	}
}

func mustAbs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
