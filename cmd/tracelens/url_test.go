package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
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
		{server.URL + "/none", exitUnreadable, "404 Not Found"},
		{server.URL + "/page", exitUnreadable, "not a trace"},
		{server.URL + "/loop", exitUnreadable, "more than 5 redirects"},
		{server.URL + "/file", exitUnreadable, "redirected from http to file"},
		{"http://u:hush@" + host + "/cut?token=hush", exitUnreadable, "unexpected EOF"},
		{"http://u:hush@127.0.0.1:1/trace", exitUnreadable, "http://127.0.0.1:1/trace: "},
		{"ftp://u:hush@host/x", exitUnreadable, "neither http nor https"},
		{"http://u:hush@[x/x", exitUnreadable, "no valid URL"},
		{"http:///x", exitUnreadable, "no host"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), []string{"analyze", "--no-config", "--format", "json", c.url}, nil, &out, &errs)
		run(context.Background(), []string{"plot", "--list", c.url}, nil, &errs, &errs)
		said := out.String() + errs.String()
		if code != c.code || !strings.Contains(said, c.want) || strings.Contains(said, "hush") {
			t.Errorf("%s: exit code %d, want %d, %q; %.600s", c.url, code, c.code, c.want, said)
		}
	}
}
