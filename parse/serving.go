package parse

import "strings"

// This file tells from stacks what servers are at.

// serving is what a stack tells of requests.
type serving struct {
	kind  RequestKind // of the goroutine's root: RequestHTTP, RequestHTTP2, RequestGRPC
	some  bool        // it has a kind or a call
	phase phase
	call  RequestKind // RequestSQL, RequestEntry, RequestGRPC of a worker
	deep  uint8       // how many frames are outside of name
	strm  bool
	taken bool     // hijacked
	name  StringID // the handler
	fn    StringID // of call
}

// phase is where in the life of a request a stack of its server is.
type phase uint8

const (
	phaseNone   phase = iota
	phaseRead         // waits for the next request, or reads its header
	phaseHandle       // in the handler, or about to
	phaseFlush        // writes the last of the answer
	phaseAfter        // the answer is out
	phaseOther        // the connection ends, or is no longer HTTP/1
)

// serverRoot is the kind of request that a goroutine with an entry function serves, or
// whose goroutine it is.
func serverRoot(fn string) RequestKind {
	switch {
	case fn == "net/http.(*conn).serve":
		return RequestHTTP
	case fn == "net/http.(*http2serverConn).runHandler", fn == "net/http/internal/http2.(*serverConn).runHandler", fn == "golang.org/x/net/http2.(*serverConn).runHandler":
		return RequestHTTP2
	case strings.HasPrefix(fn, "google.golang.org/grpc.(*Server).serveStreams.func"), fn == "google.golang.org/grpc.(*Server).serverWorker":
		return RequestGRPC
	}
	return 0
}

// servingOf finds what a stack tells of requests.
func (s *Symbols) servingOf(frames []Frame) (v serving) {
	if len(frames) == 0 {
		return v
	}
	at := func(i int) string { return s.String(frames[i].Func) }
	root := len(frames) - 1
	v.kind = serverRoot(at(root))
	switch v.kind {
	case RequestHTTP:
		if root > 0 {
			v.phase = httpPhase(root, at)
		}
	case RequestHTTP2:
		v.phase = phaseHandle
	case RequestGRPC:
		v.phase = phaseHandle
		if strings.HasSuffix(at(root), ".serverWorker") {
			v.kind, v.phase = 0, phaseNone
			for i := range frames {
				if at(i) == "google.golang.org/grpc.(*Server).handleStream" {
					v.call = RequestGRPC
				}
			}
		}
	}
	if v.phase == phaseHandle || v.call == RequestGRPC {
		s.handlerOf(&v, frames)
	}
	if v.call == RequestGRPC {
		v.fn = v.name
		return v
	}
	for i := root; i >= 0; i-- { // the outermost counts
		if _, asked := s.entries[at(i)]; asked {
			v.call, v.fn = RequestEntry, frames[i].Func
			break
		}
		if v.call == 0 && isSQLCall(at(i)) {
			v.call, v.fn = RequestSQL, frames[i].Func
			if len(s.entries) == 0 {
				break
			}
		}
	}
	return v
}

// isSQLCall reports whether a function is one that programs call of database/sql.
func isSQLCall(fn string) bool {
	rest, ok := strings.CutPrefix(fn, "database/sql.(*")
	if !ok {
		return false
	}
	typ, method, ok := strings.Cut(rest, ").")
	switch typ {
	case "DB", "Tx", "Stmt", "Conn", "Row", "Rows":
		return ok && method[0] >= 'A' && method[0] <= 'Z' && !strings.Contains(method, ".")
	}
	return false
}

// httpPhase is the phase of a connection of HTTP/1 (net/http/server.go: conn.serve), told
// by what conn.serve calls.
func httpPhase(root int, at func(int) string) phase {
	switch child := at(root - 1); {
	case child == "net/http.(*conn).readRequest", child == "bufio.(*Reader).Peek":
		return phaseRead
	case strings.HasSuffix(child, ".ServeHTTP"):
		for i := root - 2; i >= 0; i-- {
			switch fn := at(i); {
			case strings.HasSuffix(fn, ".(*http2serverConn).serve"), strings.HasSuffix(fn, "http2.(*serverConn).serve"), strings.HasSuffix(fn, "http2.(*Server).ServeConn"):
				return phaseOther // it is a connection of HTTP/2 from here on
			case strings.HasPrefix(fn, "net/http.(*conn).serve.func"):
				return phaseOther // the handler panicked
			}
		}
		return phaseHandle
	case child == "net/http.(*connReader).startBackgroundRead", child == "net/http.registerOnHitEOF", child == "net/http.(*response).sendExpectationFailed":
		return phaseHandle
	case child == "net/http.(*response).finishRequest":
		if root < 2 {
			return phaseHandle
		}
		switch fn := at(root - 2); {
		case strings.HasPrefix(fn, "net/http.(*connReader)."), strings.HasPrefix(fn, "net/http.(*body)."), strings.HasPrefix(fn, "mime/multipart."), strings.HasPrefix(fn, "net/http.(*expectContinueReader)."):
			return phaseAfter
		case fn == "bufio.(*Writer).Flush" && root > 2 && at(root-3) == "net/http.checkConnErrorWriter.Write":
			return phaseFlush
		}
		return phaseHandle
	case strings.HasPrefix(child, "net/http.(*conn).close"), strings.HasPrefix(child, "net/http.(*conn).serve.func"), strings.HasPrefix(child, "crypto/tls."):
		return phaseOther
	}
	return phaseNone // between two phases
}

// handlerOf finds the handler in a stack of a server: what the innermost ServeHTTP, or the
// Next of gin or fiber, calls, the program's own before a library's, and where that is one
// of a row of handlers, the innermost of them; of gRPC what the compiler of protocols made
// for the method.
func (s *Symbols) handlerOf(v *serving, frames []Frame) {
	at := func(i int) string { return s.String(frames[i].Func) }
	root := len(frames) - 1
	inside := -1
	for i := root; i >= 0; i-- {
		fn := at(i)
		switch {
		case strings.HasPrefix(fn, "google.golang.org/grpc.(*Server).process"):
			v.strm = v.strm || strings.HasSuffix(fn, ".processStreamingRPC")
		case strings.HasSuffix(fn, "_Handler") && strings.Contains(fn, "._") && v.kind != RequestHTTP:
			v.name, v.deep = frames[i].Func, depthOf(root-i)
			return
		case strings.HasSuffix(fn, ".ServeHTTP"), strings.HasSuffix(fn, ".(*Context).Next"), strings.HasSuffix(fn, ".(*Ctx).Next"):
			inside = i
		case strings.HasPrefix(fn, "net/http.(*response).Flush"), strings.HasPrefix(fn, "net/http.(*http2responseWriter).Flush"),
			strings.HasSuffix(fn, "http2.(*responseWriter).Flush"), strings.HasSuffix(fn, "http2.(*responseWriter).FlushError"):
			v.strm = v.strm || inside >= 0 // without a handler it is what ends every answer of HTTP/2
		case fn == "net/http.(*response).Hijack", fn == "net/http.(*conn).hijackLocked":
			v.taken = true
		}
	}
	if inside < 0 {
		return
	}
	pick := -1
	for i := inside; i >= 0; i-- {
		fn := at(i)
		if s.Own(frames[i]) {
			pick = s.innermostHandler(frames, i)
			break
		}
		if pick < 0 && !IsStd(fn) {
			pick = i
		}
	}
	if pick < 0 && inside > 0 && !strings.HasPrefix(at(inside), "net/http.") {
		pick = inside // expvar, net/http/pprof
	}
	if pick < 0 {
		for i := inside - 1; i >= 0; i-- { // of the standard library, but no machinery of net/http: pprof.Index
			if fn := at(i); strings.HasPrefix(fn, "net/http/") || !strings.HasPrefix(fn, "net/http.") && strings.Contains(fn, "http") {
				pick = i
				break
			}
		}
	}
	if pick >= 0 {
		v.name, v.deep = frames[pick].Func, depthOf(root-pick)
	}
}

// innermostHandler is the last of a row of handlers of the program that begins at frame i: a
// closure or a handler by its name that calls another. One that does its work in closures of
// its own is the last.
func (s *Symbols) innermostHandler(frames []Frame, i int) int {
	last := i
	for at := i; at > 0; at-- {
		fn, next := s.String(frames[at].Func), s.String(frames[at-1].Func)
		if !s.Own(frames[at-1]) || strings.HasPrefix(next, fn+".") || strings.EqualFold(next, fn) || !isHandler(fn) && !isClosure(fn) || !isHandler(next) && !isClosure(next) {
			break
		}
		if isHandler(next) {
			last = at - 1
		}
	}
	return last
}

// isHandler reports whether a function is a handler by its name.
func isHandler(fn string) bool {
	name := strings.ToLower(fn[strings.LastIndexByte(fn, '.')+1:])
	return strings.HasSuffix(name, "handler") || strings.HasSuffix(name, "handlerwrapper")
}

func depthOf(n int) uint8 { return uint8(min(n, 255)) }

// isGroupGo reports whether a function is the goroutine that a group starts for a function
// which it is given, as golang.org/x/sync/errgroup does: it says nothing of what is done.
func isGroupGo(fn string) bool {
	return isClosure(fn) && strings.HasSuffix(fn[:strings.LastIndex(fn, ".func")], "Go")
}

// starter is the function that had a group start g: the caller of the group's package.
func (t *tracker) starter(g *goroutine) StringID {
	group := PackageOf(t.strings[g.Func])
	for _, f := range t.stacks[g.site].frames { // the innermost first
		if fn := t.strings[f.Func]; PackageOf(fn) != group && !strings.HasPrefix(fn, "runtime.") {
			return f.Func
		}
	}
	return 0
}
