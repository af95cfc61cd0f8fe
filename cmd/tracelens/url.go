package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tracelens/tracelens/analysis"
)

const (
	mostRedirects = 5
	mostFetched   = 8 << 30 // bytes
	// longestFetch bounds the whole answer; the first byte of a trace comes at once.
	longestFetch = 15 * time.Minute
	longestWait  = 30 * time.Second // for the head of the answer, beyond the seconds asked for
)

var urlScheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://`)

// isURL tells the name of a trace in the net from that of a file.
func isURL(name string) bool { return urlScheme.MatchString(name) }

// publicURL is a URL without what may be secret: the user, the fragment, and all of the
// query but how many seconds are asked for.
func publicURL(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if s := u.Query().Get("seconds"); s != "" {
		plain.RawQuery = url.Values{"seconds": {s}}.Encode()
	}
	return plain.String()
}

// secrets are what publicURL leaves out.
func secrets(u *url.URL) (all []string) {
	if u.User != nil {
		pass, _ := u.User.Password()
		all = append(all, u.User.Username(), pass)
	}
	for name, values := range u.Query() {
		if name != "seconds" {
			all = append(all, values...)
		}
	}
	return append(all, u.Fragment)
}

// reveals says whether a text holds a secret of one of the URLs.
func reveals(text string, urls ...*url.URL) bool {
	for _, u := range urls {
		for _, s := range secrets(u) {
			if s != "" && (strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s))) {
				return true
			}
		}
	}
	return false
}

// quoted is what errors of net/http quote, such as the address of a redirect that is no
// valid URL, with all that is secret in it.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// A source is where a trace is fetched from.
type source struct {
	url    string
	socket string // a path: by it, and not by the host of the URL
	header http.Header
	most   int64 // bytes, 0 for mostFetched
}

// reveals says whether a text holds what a header says, which may be secret.
func (s *source) reveals(text string) bool {
	for _, values := range s.header {
		for _, value := range values {
			for _, word := range strings.Fields(value) {
				if strings.Contains(text, word) {
					return true
				}
			}
		}
	}
	return false
}

// fetch asks for a trace, such as that of a /debug/pprof/trace endpoint. It returns
// what to call it, also beside an error.
func (s *source) fetch(ctx context.Context) (body io.ReadCloser, name string, err error) {
	raw := s.url
	u, err := url.Parse(raw)
	if err != nil { // the error holds all of it
		return nil, "TRACE", errors.New("not a valid URL")
	}
	name = publicURL(u)
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, name, fmt.Errorf("unsupported URL: %s is neither http nor https", u.Scheme)
	}
	if u.Host == "" {
		return nil, name, errors.New("no host in the URL")
	}
	wait := longestWait
	if s, err := time.ParseDuration(u.Query().Get("seconds") + "s"); err == nil && s > 0 {
		wait += min(s, longestFetch)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = wait
	transport.DisableCompression = true // the parser unpacks, within its bounds
	if s.socket != "" {
		name = "unix:" + s.socket
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.socket)
		}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		switch {
		case len(via) > mostRedirects:
			return fmt.Errorf("more than %d redirects", mostRedirects)
		case to.URL.Scheme != "https" && (to.URL.Scheme != "http" || via[len(via)-1].URL.Scheme == "https"):
			return fmt.Errorf("redirected from %s to %s", via[len(via)-1].URL.Scheme, to.URL.Scheme)
		}
		to.Header.Del("Referer")            // which has the query
		if to.URL.Host != via[0].URL.Host { // what is for one is not for another
			for name := range s.header {
				to.Header.Del(name)
			}
		}
		return nil
	}}
	ctx, cancel := context.WithTimeoutCause(ctx, longestFetch, fmt.Errorf("no end after %v", longestFetch))
	done := func() { cancel(); transport.CloseIdleConnections() }
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		done()
		return nil, name, errors.New("not a valid URL")
	}
	for name, values := range s.header {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = values[0]
		}
		req.Header[name] = values
	}
	res, err := client.Do(req)
	if err != nil {
		done()
		var about *url.Error // which names the URL
		if errors.As(err, &about) {
			err = about.Err
		}
		if said := quoted.ReplaceAllString(err.Error(), "…"); said != err.Error() {
			err = errors.New(said)
		}
		return nil, name, err
	}
	most := int64(mostFetched)
	if s.most > 0 {
		most = s.most
	}
	answer := &fetched{ReadCloser: res.Body, left: most, most: most, done: done}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch {
	case res.StatusCode != http.StatusOK:
		said, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		answer.Close()
		err = errors.New(res.Status)
		if line := strings.Join(strings.Fields(string(said)), " "); line != "" && !strings.HasPrefix(line, "<") && !reveals(line, u, res.Request.URL) && !s.reveals(line) {
			err = fmt.Errorf("%s: %s", res.Status, line)
		}
		switch {
		case strings.Contains(string(said), "already enabled"): // net/http/pprof: "tracing is already enabled"
			err = fmt.Errorf("%w: another capture or runtime/trace.Start is under way there; ask again when it has ended", err)
		case res.StatusCode == http.StatusNotFound:
			err = fmt.Errorf("%w: import net/http/pprof there, which serves /debug/pprof/trace, or a capture.Recorder", err)
		}
		return nil, name, err
	case kind == "text/html":
		answer.Close()
		return nil, name, errors.New("the answer is a page (text/html), not a trace: an endpoint is such as /debug/pprof/trace?seconds=5")
	}
	return answer, name, nil
}

// fetched is the body of an answer, within bounds.
type fetched struct {
	io.ReadCloser
	left int64
	most int64
	done func()
}

// errBrokenOff is the error of an answer that ends before it said it would.
var errBrokenOff = errors.New("unexpected EOF: the connection broke off")

// errTooLong is the error of an answer beyond its bound.
var errTooLong = errors.New("longer")

func (f *fetched) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.left -= int64(n); f.left < 0 {
		return 0, fmt.Errorf("%w than %s", errTooLong, analysis.FormatBytes(f.most))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errBrokenOff // the trace may go on: it is not the one that ends early
	}
	return n, err
}

func (f *fetched) Close() error {
	err := f.ReadCloser.Close()
	f.done()
	return err
}
