package main

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// connected is a client of the program, as a process that serves a folder.
func connected(t *testing.T, dir string) *mcp.ClientSession {
	t.Helper()
	cmd := command(t, "mcp", "--no-config", "--root", dir)
	cmd.Stderr = os.Stderr
	client := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil)
	session, err := client.Connect(context.Background(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	return session
}

func TestMCP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := testdataTrace(t, "mixed-go126.trace")
	put(t, filepath.Join(dir, "below", "t.trace"), data)
	put(t, filepath.Join(dir, "text.md"), []byte("# text"))
	put(t, filepath.Join(filepath.Dir(dir), "outside.trace"), data)
	if err := os.Symlink(filepath.Join(filepath.Dir(dir), "outside.trace"), filepath.Join(dir, "link.trace")); err != nil {
		t.Log(err)
	}
	audited(t, 0, "analyze", "--no-config", "-o", filepath.Join(dir, "saved.json"), filepath.Join(dir, "below", "t.trace"))
	session := connected(t, dir)
	tools, err := session.ListTools(context.Background(), nil)
	if err != nil || len(tools.Tools) != 6 {
		t.Fatalf("%+v, %v", tools, err)
	}
	for _, tool := range tools.Tools {
		if tool.Annotations == nil || !tool.Annotations.ReadOnlyHint || tool.Description == "" {
			t.Errorf("%+v", tool)
		}
	}
	type args = map[string]any
	for _, c := range []struct {
		tool string
		args args
		want string // in the text
		fail bool
	}{
		{"brief", args{"path": "below/t.trace"}, "f1 warning limits/gc", false},
		{"brief", args{"path": filepath.Join(dir, "below", "t.trace")}, "f1 warning limits/gc", false},
		{"brief", args{"path": "saved.json"}, "f1 warning limits/gc", false},
		{"brief", args{"path": "below/t.trace", "from": "10ms", "to": "20ms"}, "from 10.000 ms to 20.000 ms", false},
		{"show", args{"path": "below/t.trace", "what": "f1"}, "w1 0.000 ms", false},
		{"show", args{"path": "below/t.trace", "what": "checks", "limit": 2}, "more: --offset 2", false},
		{"show", args{"path": "below/t.trace", "what": "metrics", "limit": 100000}, "more: --offset 100", false},
		{"show", args{"path": "below/t.trace", "goroutine": 1}, "critical path", false},
		{"show", args{"path": "below/t.trace", "at": "20.000 ms"}, "3 of 4 Ps with a goroutine", false},
		{"show", args{"path": "below/t.trace", "place": "main.countRecords"}, "main.countRecords", false},
		{"show", args{"path": "below/t.trace", "log": "."}, "", true},
		{"show", args{"path": "below/t.trace", "goroutine": 99999}, "99999", true},
		{"show", args{"path": "below/t.trace", "place": "main.countRecord", "at": "1ms"}, "only one of them", true},
		{"show", args{"path": "below/t.trace", "log": "("}, "no regular expression", true},
		{"show", args{"path": "below/t.trace", "at": "soon"}, "no moment", true},
		{"compare", args{"old": []string{"below/t.trace"}, "new": []string{"saved.json"}}, "the same in every number", false},
		{"compare", args{"old": []string{"below/t.trace"}, "new": []string{}}, "old and new", true},
		{"compare", args{"old": []string{"../outside.trace"}, "new": []string{"saved.json"}}, "not below the root", true},
		{"compare", args{"old": []string{"below/t.trace"}, "where": "region:record > p90"}, "of 240 requests", false},
		{"compare", args{"old": []string{"below/t.trace"}, "where": "nothing > p50"}, "unknown type of requests", true},
		{"compare", args{"old": []string{"below/t.trace"}, "where": "nothing"}, "--where", true},
		{"compare", args{"old": []string{"below/t.trace"}, "new": []string{"saved.json"}, "where": "a > 1s"}, "leave out new", true},
		{"explain", args{"name": "stw"}, "stw: ", false},
		{"explain", args{"name": "sched.latency"}, "sched.latency.user.p99", false},
		{"plot", args{"path": "below/t.trace", "figure": "timeline.lanes"}, `"P `, false},

		{"plot", args{"path": "below/t.trace", "figure": "timeline.lane"}, "timeline.lanes", true},
		{"show", args{"path": "below/t.trace", "what": "f99"}, "no f99", true},
		{"explain", args{"name": "nothing"}, "unknown analyzer or metric", true},
		{"brief", args{"path": "none.trace"}, "none.trace: ", true},
		{"brief", args{"path": "below"}, "below is no file", true},
		{"brief", args{"path": "text.md"}, "not a Go execution trace", true},
		{"brief", args{"path": "../outside.trace"}, "not below the root", true},
		{"brief", args{"path": filepath.Join(filepath.Dir(dir), "outside.trace")}, "not below the root", true},
		{"brief", args{"path": "link.trace"}, "link.trace: ", true},
		{"brief", args{"path": "http://127.0.0.1:1/debug/pprof/trace"}, "no URL", true},
		{"brief", args{"path": "\x1b[31mx"}, `\x1b[31mx`, true},
		{"brief", args{"path": "below/t.trace", "from": "soon"}, "from: \"soon\" is no time: need one such as 1.5s", true},
		{"brief", args{"path": "below/t.trace", "from": "13.114 ms"}, "findings: ", false},
		{"brief", args{"path": "below/t.trace", "from": "2ms", "to": "1ms"}, "from must be before to", true},
		{"brief", args{}, "path", true},
	} {
		res, err := session.CallTool(context.Background(), &mcp.CallToolParams{Name: c.tool, Arguments: c.args})
		if err != nil {
			if !c.fail || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %v: %v", c.tool, c.args, err)
			}
			continue
		}
		text := ""
		for _, part := range res.Content {
			switch part := part.(type) {
			case *mcp.TextContent:
				text += part.Text
			case *mcp.ImageContent:
				if _, err := png.Decode(bytes.NewReader(part.Data)); err != nil || part.MIMEType != "image/png" {
					t.Errorf("%s: %v", part.MIMEType, err)
				}
			}
		}
		if res.IsError != c.fail || !strings.Contains(text, c.want) || utf8.RuneCountInString(text) > mcpText+100 || obeyed([]byte(text)) >= 0 {
			t.Errorf("%s %v: an error: %v, %q; want %v, %q", c.tool, c.args, res.IsError, text, c.fail, c.want)
		}
	}
}

// TestSaid: what is too long is cut, and says so.
func TestSaid(t *testing.T) {
	t.Parallel()
	text := said(strings.Repeat("é", mcpText+5)).Content[0].(*mcp.TextContent).Text
	if !strings.HasSuffix(text, "\n… 5 characters more; ask for less at once\n") {
		t.Error(text[len(text)-100:])
	}
}

// TestSkill: the commands of the skill are those of the program.
func TestSkill(t *testing.T) {
	t.Parallel()
	if got := audited(t, 0, "skill"); got != skill || !strings.HasPrefix(got, "---\nname: tracelens\ndescription: ") {
		t.Errorf("%.100q", got)
	}
	commands := regexp.MustCompile("`(tracelens [^`]*)`").FindAllStringSubmatch(skill, -1)
	if len(commands) < 8 {
		t.Fatalf("%d commands", len(commands))
	}
	for _, m := range commands {
		root := newRoot()
		cmd, args, err := root.Find(strings.Fields(m[1])[1:])
		if err != nil || cmd == root {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	if _, err := exec.LookPath("tracelens"); err != nil {
		t.Fatal(err)
	}
}
