package parse

import (
	"strings"
	"testing"
)

// TestHandlers: the handler in stacks of servers. Functions stand from the outside in; what
// is of a library ends in " lib".
func TestHandlers(t *testing.T) {
	const server = "net/http.(*conn).serve > net/http.serverHandler.ServeHTTP > "
	for stack, want := range map[string]string{
		server + "net/http.(*ServeMux).ServeHTTP > net/http.HandlerFunc.ServeHTTP > main.getOrder > sync.(*Mutex).Lock": "main.getOrder",
		server + "main.logged.func1 > net/http.HandlerFunc.ServeHTTP > main.getOrder > os.ReadFile":                     "main.getOrder",
		server + "main.main.func1 > main.lookup > sync.(*Mutex).Lock":                                                   "main.main.func1",
		server + "main.main.func1 > main.(*api).userHandler > database/sql.(*DB).Query":                                 "main.(*api).userHandler",
		server + "main.orderHandler > main.orderHandler.func1 > time.Sleep":                                             "main.orderHandler",
		server + "main.orderHandler > main.handlerOf > time.Sleep":                                                      "main.orderHandler",
		server + "example.com/vm/httpserver.serve.func3 > example.com/vm/httpserver.handlerWrapper > example.com/vm/httpserver.serve.func2 > main.requestHandler > example.com/vm/insert.RequestHandler > example.com/vm/insert/prom.InsertHandler > example.com/vm/stream.Parse > sync.(*WaitGroup).Wait": "example.com/vm/insert/prom.InsertHandler",
		server + "example.com/vm/query.RangeHandler > example.com/vm/query.rangeHandler > example.com/vm/promql.Exec":                                                                                                                                                       "example.com/vm/query.RangeHandler",
		server + "github.com/gin-gonic/gin.(*Engine).ServeHTTP lib > github.com/gin-gonic/gin.(*Engine).handleHTTPRequest lib > github.com/gin-gonic/gin.(*Context).Next lib > main.auth.func1 > github.com/gin-gonic/gin.(*Context).Next lib > main.getOrder > time.Sleep": "main.getOrder",
		server + "github.com/gin-gonic/gin.(*Engine).ServeHTTP lib > github.com/gin-gonic/gin.(*Context).Next lib > main.auth.func1 > time.Sleep":                                                                                                                           "main.auth.func1",
		server + "github.com/some/files.(*Server).ServeHTTP lib > os.ReadFile":                                                                                                                                                                                              "github.com/some/files.(*Server).ServeHTTP",
	} {
		s := newSymbols()
		var frames []Frame
		for fn := range strings.SplitSeq(stack, " > ") {
			name, isLib := strings.CutSuffix(fn, " lib")
			file := "/src/app/x.go"
			switch {
			case isLib:
				file = "/go/pkg/mod/lib@v1.0.0/x.go"
			case IsStd(name):
				file = "/usr/local/go/src/x.go"
			}
			frames = append([]Frame{{s.Intern(name), s.Intern(file), 1}}, frames...)
		}
		if got := s.String(s.servingOf(frames).name); got != want {
			t.Errorf("%s\nis %s, want %s", stack, got, want)
		}
	}
}

// TestGroupGo: a goroutine that a group starts is named by who had it started.
func TestGroupGo(t *testing.T) {
	for fn, want := range map[string]bool{
		"golang.org/x/sync/errgroup.(*Group).Go.func1": true, "golang.org/x/sync/errgroup.(*Group).TryGo.func1": true, "sync.(*WaitGroup).Go.func1": true,
		"main.startGoroutine.func1": false, "main.(*pool).worker": false, "main.Go": false,
	} {
		if got := isGroupGo(fn); got != want {
			t.Errorf("%s: %v", fn, got)
		}
	}
	tr := &tracker{strings: []string{"", "golang.org/x/sync/errgroup.(*Group).Go.func1", "golang.org/x/sync/errgroup.(*Group).Go", "main.fetchAll", "main.main"}}
	tr.stacks = []stackInfo{{}, {frames: []Frame{{Func: 2}, {Func: 3}, {Func: 4}}}}
	g := &goroutine{site: 1}
	g.Func = 1
	if fn := tr.starter(g); fn != 3 {
		t.Errorf("it is started by %q", tr.strings[fn])
	}
}
