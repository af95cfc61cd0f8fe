package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
	"github.com/tracelens/tracelens/plots"
)

// output is what a command line writes to standard output.
func output(t *testing.T, stdin string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(stdin), &out, &errs); code != exitDone {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	return out.Bytes()
}

// TestRenderSame: a saved report gives the bytes of a report written at once.
func TestRenderSame(t *testing.T) {
	traces, err := filepath.Glob("../../testdata/traces/*.trace")
	if err != nil || len(traces) == 0 {
		t.Fatal("no traces", err)
	}
	for i, trace := range traces {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(filepath.Base(trace), func(t *testing.T) {
			t.Parallel()
			spans := "1000"
			if i == 0 {
				spans = "100000"
			}
			saved := string(output(t, "", "analyze", "--format", "json", "--spans", spans, trace))
			for _, format := range report.Formats {
				// What a report is read back as does not depend on the format: a few traces
				// in all of them, and all traces in those that show most.
				if i%6 != 0 && format.Name != "html" && format.Name != "json" {
					continue
				}
				direct := output(t, "", "analyze", "--format", format.Name, "--spans", spans, trace)
				if again := output(t, saved, "render", "--format", format.Name, "-"); !bytes.Equal(direct, again) {
					t.Errorf("%s differs: %s", format.Name, firstDifference(direct, again))
				}
			}
		})
	}
}

func firstDifference(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	near := func(s []byte) string { return string(s[max(0, i-40):min(len(s), i+80)]) }
	return near(a) + "\n--- but\n" + near(b)
}

func TestRenderFleetSame(t *testing.T) {
	t.Parallel()
	args := []string{"audit", "../../testdata/traces"}
	if testing.Short() {
		args[1] += "/lock-5ms.trace"
	}
	saved := string(output(t, "", append(args, "--format", "json")...))
	for _, format := range report.Formats {
		direct := output(t, "", append(args, "--format", format.Name)...)
		if again := output(t, saved, "render", "--format", format.Name, "-"); !bytes.Equal(direct, again) {
			t.Errorf("%s differs: %s", format.Name, firstDifference(direct, again))
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		``:                              "ends in the middle",
		`{"schema":2`:                   "ends in the middle",
		`{"schema":9}`:                  "schema 9",
		`{"schema":2,"colour":1}`:       "colour",
		`{"schema":2}{"schema":2}`:      "more than one",
		`{"schema":2,"results":[null]}`: "results[0] is null",
		`{"schema":2,"results":[{"name":"a","tables":[{"name":"t","columns":[{"name":"c","unit":"ns"}],"rows":[["x"]]}]}]}`:       "column c of unit ns",
		`{"schema":2,"results":[{"name":"a","tables":[{"name":"t","columns":[{"name":"c","unit":"ns"}],"rows":[[1,2]]}]}]}`:       "2 cells for 1 columns",
		`{"schema":2,"results":[{"name":"a","tables":[{"name":"t","columns":[],"rows":[]}],"figures":[{"table":"t","x":"at"}]}]}`: `no column "at"`,
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), []string{"render", "-"}, strings.NewReader(in), &out, &errs)
		if code != exitUnreadable || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q, want %q", in, code, errs.String(), want)
		}
	}
}

// FuzzRender: a report by whomever is an error or becomes text or charts, in every
// format, and nothing in it is obeyed.
func FuzzRender(f *testing.F) {
	for _, name := range []string{"lock-5ms", "mixed-go126"} {
		in, err := os.Open("../../testdata/traces/" + name + ".trace")
		if err != nil {
			f.Fatal(err)
		}
		rep, err := analysis.Analyze(context.Background(), in, name, analysis.Options{}, mustChoose(f))
		in.Close()
		if err != nil {
			f.Fatal(err)
		}
		results := rep.Results
		rep.Metrics = nil
		for _, res := range results { // the whole is too long to mutate
			for _, t := range res.Tables {
				t.Limit(2)
			}
			rep.Results = []*analysis.Result{res}
			var b bytes.Buffer
			if err := report.JSON(&b, rep, report.Options{}); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes())
		}
	}
	f.Add([]byte(`{"schema":2,"trace":{"to_ns":9,"from_ns":10},"results":[{"name":"limits","findings":[{"code":"a/b","severity":"x","cost":{"value_ns":-1,"total_ns":1},"evidence":[{"from_ns":-5,"to_ns":3,"p":-7}]}],"tables":[{"name":"timeline.lanes","columns":[{"name":"at","unit":"moment"},{"name":"s","unit":"text"}],"rows":[[1,null],[null,"a"]]}],"figures":[{"name":"timeline.lanes","mark":"lanes","table":"timeline.lanes","x":"at","y":["at"],"series":"s"}]}]}`))
	for _, evil := range hostile {
		name, err := json.Marshal(evil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(strings.ReplaceAll(`{"schema":2,"tool":EVIL,"trace":{"name":EVIL,"fault":EVIL,"format":EVIL,"start":EVIL,"to_ns":9},"fleet":{"inputs":1},"results":[{"name":EVIL,"title":EVIL,"check":true,"outcome":"found","summary":[EVIL],"findings":[{"code":EVIL,"severity":"error","summary":EVIL,"advice":EVIL,"cost":{"value_ns":1,"total_ns":2},"evidence":[{"from_ns":1,"to_ns":3,"func":EVIL,"note":EVIL,"stack":[{"func":EVIL,"file":EVIL,"line":3}]}]}],"tables":[{"name":"findings","title":EVIL,"columns":[{"name":"finding","unit":"text"},{"name":"traces","unit":"count"},{"name":EVIL,"unit":EVIL}],"rows":[[EVIL,7,8]]},{"name":"distributions.times","title":EVIL,"columns":[{"name":"metric","unit":"text"},{"name":"p50","unit":"ns"},{"name":EVIL,"unit":"count"}],"rows":[[EVIL,7,8]]}],"figures":[{"name":EVIL,"title":EVIL,"mark":"bars","table":"findings","x":"finding","y":["traces"]}]}],"suppressed":[{"code":EVIL,"severity":"note","summary":EVIL,"reason":EVIL,"source":EVIL}]}`, "EVIL", string(name))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := analysis.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, format := range report.Formats {
			var b bytes.Buffer
			err := format.Write(&b, rep, report.Options{Width: 80, Full: true, Terminal: true})
			if err != nil && format.Name == "html" {
				continue
			}
			if bad := wrong(format.Name, b.Bytes()); err != nil || bad != "" {
				t.Errorf("%s: %v, %s", format.Name, err, bad)
			}
			if format.Name == "markdown" && b.Len() > 65_536 {
				t.Errorf("markdown of %d bytes", b.Len())
			}
		}
		for _, v := range report.Figures(rep) {
			for _, format := range plots.Formats {
				var b bytes.Buffer
				opt := report.PlotOptions(rep)
				opt.Format, opt.Text, opt.Scale = format, true, .25
				err := plots.Draw(&b, v.Figure, v.Table, opt) // an error is an answer; a panic is not
				if bad := wrong(format, b.Bytes()); format == "svg" && err == nil && bad != "" {
					t.Errorf("%s as SVG: %s", v.Figure.Name, bad)
				}
			}
		}
	})
}

func mustChoose(f *testing.F) []*analysis.Analyzer {
	all, err := choose(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	return all
}
