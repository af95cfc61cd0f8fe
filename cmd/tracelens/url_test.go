package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

func TestURL(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../testdata/traces/mixed-go126.trace")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/trace", func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "u" || pass != "hush" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		w.Write(data)
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in</html>") })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/trace?token=hush", http.StatusFound)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such token: "+r.URL.Query().Get("token"), http.StatusForbidden)
	})
	mux.HandleFunc("/escape", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "\x1b[31mred\u202e", http.StatusForbidden)
	})
	mux.HandleFunc("/wrong", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://u:hush@[x/?token=hush")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/referer", http.StatusFound) })
	mux.HandleFunc("/referer", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "from "+strings.ToUpper(r.Referer()), http.StatusForbidden)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, c := range []struct {
		url  string
		code int
		want string
	}{
		{"http://u:hush@" + host + "/trace?seconds=1&token=hush#hush", exitDone, "http://" + host + "/trace?seconds=1"},
		{"http://u:hush@" + host + "/moved", exitDone, "http://" + host + "/moved"},
		{server.URL + "/trace?token=hush", exitUnreadable, "401 Unauthorized: who are you?"},
		{server.URL + "/echo?token=hush", exitUnreadable, "403 Forbidden\n"},
		{server.URL + "/echo?token=other", exitUnreadable, "403 Forbidden\n"},
		{server.URL + "/echo", exitUnreadable, "403 Forbidden: no such token:"},
		{server.URL + "/escape", exitUnreadable, `\x1b[31mred\u202e`},
		{server.URL + "/wrong", exitUnreadable, "failed to parse Location header …"},
		{server.URL + "/away?token=hush", exitUnreadable, "403 Forbidden: from\n"},
		{server.URL + "/none", exitUnreadable, "404 Not Found"},
		{server.URL + "/page", exitUnreadable, "not a trace"},
		{server.URL + "/loop", exitUnreadable, "more than 5 redirects"},
		{server.URL + "/file", exitUnreadable, "redirected from http to file"},
		{"http://u:hush@" + host + "/cut?token=hush", exitUnreadable, "unexpected EOF"},
		{"http://u:hush@127.0.0.1:1/trace", exitUnreadable, "http://127.0.0.1:1/trace: "},
		{"ftp://u:hush@host/x", exitUnreadable, "neither http nor https"},
		{"http://u:hush@[x/x", exitUnreadable, "not a valid URL"},
		{"http:///x", exitUnreadable, "no host"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), []string{"analyze", "--no-config", "--format", "json", c.url}, nil, &out, &errs)
		run(context.Background(), []string{"plot", "--list", c.url}, nil, &errs, &errs)
		said := out.String() + errs.String()
		if code != c.code || !strings.Contains(said, c.want) || strings.Contains(strings.ToLower(said), "hush") || obeyed([]byte(said)) >= 0 {
			t.Errorf("%s: exit code %d, want %d, %q; %.600s", c.url, code, c.code, c.want, said)
		}
	}
}

// TestURLFormats: no format of a report says what is secret in a URL.
func TestURLFormats(t *testing.T) {
	t.Parallel()
	data := testdataTrace(t, "annotations.trace")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }))
	defer server.Close()
	address := "http://mallory:hush@" + strings.TrimPrefix(server.URL, "http://") + "/t?token=hush#hush"
	for _, f := range report.Formats {
		said := output(t, "", "analyze", "--no-config", "--full", "--format", f.Name, address)
		for _, secret := range []string{"hush", "mallory"} {
			if bytes.Contains(said, []byte(secret)) {
				t.Errorf("%s has %q", f.Name, secret)
			}
		}
	}
}

// TestURLBounds: an answer without end is read up to a bound.
func TestURLBounds(t *testing.T) {
	endless := &fetched{ReadCloser: io.NopCloser(endlessReader{}), left: 1 << 20, most: mostFetched, done: func() {}}
	if n, err := io.Copy(io.Discard, endless); n > 1<<20 || err == nil || !strings.Contains(err.Error(), "longer than 8 GiB") {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) { return len(p), nil }

// TestProxy: the environment says which proxy to ask, and no error says its password.
func TestProxy(t *testing.T) {
	t.Parallel()
	data := testdataTrace(t, "annotations.trace")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "traces.invalid" || r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		w.Write(data)
	}))
	defer proxy.Close()
	for env, want := range map[string]string{
		"http://u:hush@" + strings.TrimPrefix(proxy.URL, "http://"): "http://traces.invalid/t",
		"http://u:hush@127.0.0.1:1":                                 "proxyconnect",
	} {
		cmd := command(t, "analyze", "--no-config", "--only", "trust", "http://traces.invalid/t?token=hush")
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "HTTP_PROXY="+env)
		said, _ := cmd.CombinedOutput()
		if !strings.Contains(string(said), want) || strings.Contains(string(said), "hush") {
			t.Errorf("by %s: %s", env, said)
		}
	}
}
