package parse

import (
	"bytes"
	"fmt"
	"strings"
)

// headerVersion reads the "go 1.N trace" header (internal/trace/version).
func headerVersion(head []byte) (int, error) {
	var v int
	if !strings.HasPrefix(string(head), "go 1.") {
		return 0, &Error{Kind: ErrUnsupported, Detail: foreign(head)}
	}
	if len(head) < 16 {
		return 0, &Error{Kind: ErrTruncated, Offset: int64(len(head)), Detail: "the file ends inside its header"}
	}
	if _, err := fmt.Sscanf(string(head[:16]), "go 1.%d trace\x00\x00\x00", &v); err != nil {
		return 0, &Error{Kind: ErrUnsupported, Detail: foreign(head)}
	}
	switch v {
	case 7, 8, 9, 10, 11, 19, 21, 22, 23, 25, 26:
		return v, nil
	case 5:
		return 0, &Error{Kind: ErrUnsupported, Detail: "a trace of Go 1.5 or 1.6, which names no functions; build the program with Go 1.7 or later and record it again"}
	}
	return 0, &Error{Kind: ErrUnsupported, Detail: fmt.Sprintf("format go 1.%d is not known to this version, which reads traces of Go 1.7 to 1.27; a newer tracelens may: go install github.com/tracelens/tracelens/cmd/tracelens@latest", v)}
}

// foreign says what input that is not a Go execution trace looks like.
func foreign(head []byte) string {
	has := func(p string) bool { return bytes.HasPrefix(head, []byte(p)) }
	trimmed := bytes.TrimSpace(head)
	switch {
	case len(head) == 0:
		return "the input is empty"
	case has("PK\x03\x04"):
		return "this is a zip archive; unpack it first"
	case has("\x7fELF"):
		return "this is an ELF binary, not a trace it wrote"
	case has("\xef\xbb\xbfgo 1."):
		return "a text editor put a byte order mark before the trace; it must be copied as binary"
	case has("HTTP/"):
		return "HTTP response headers precede the trace; fetch it without them (curl without -i)"
	case bytes.HasPrefix(bytes.ToLower(trimmed), []byte("<!doctype")) || bytes.HasPrefix(bytes.ToLower(trimmed), []byte("<html")):
		return "this is an HTML page, perhaps an error page of the server the trace was fetched from"
	case bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")):
		return "this is JSON, not a Go execution trace"
	case has("Z28gMS4"):
		return "this is a base64-encoded trace; decode it first"
	case has("\x0a") && bytes.Contains(head, []byte("\x12")), has("\x0a\x04"):
		return "this looks like a pprof profile, not an execution trace (runtime/trace, /debug/pprof/trace)"
	case len(bytes.Trim(head, "\x00")) == 0:
		return "the input is all zeros"
	}
	return "not a Go execution trace: it does not begin with \"go 1.N trace\""
}

// textConverted says whether a trace looks as if it went through a program that
// takes it for text.
func textConverted(head []byte) string {
	lf, crlf := bytes.Count(head, []byte("\n")), bytes.Count(head, []byte("\r\n"))
	switch {
	case bytes.Count(head, []byte("\xef\xbf\xbd")) > 8:
		return "the file was converted to UTF-8 as if it were text"
	case lf > 4 && lf == crlf:
		return "line ends were converted (LF to CRLF) as if it were text"
	}
	return ""
}
