package sched

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/analysistest"
	"github.com/tracelens/tracelens/analysis/checks/internal/evidence"
	"github.com/tracelens/tracelens/analysis/internal/checktest"
	"github.com/tracelens/tracelens/internal/corpus"
	"github.com/tracelens/tracelens/parse"
)

func TestConnectionChurn(t *testing.T) { checktest.Run(t, connectionChurn, casesConnectionChurn) }

func casesConnectionChurn(t *testing.T) {
	for name, want := range map[string]bool{
		"net/http.(*Transport).dialConnFor":                     true,
		"net/http.(*Transport).startDialConnForLocked.func1":    true,
		"net/http.(*Transport).queueForDial.gowrap1":            true,
		"net/http.(*Transport).dialConn.gowrap3":                false, // a connection's reader
		"net/http.(*persistConn).readLoop":                      false,
		"example.org/proxy.(*Transport).startDialConnForLocked": false,
	} {
		if evidence.DialsHTTP(name) != want {
			t.Errorf("%s dials: %t", name, !want)
		}
	}
	checktest.Idle(t, connectionChurn)
	checktest.At(t, connectionChurn, "goroutines that do not dial", func(v int64) *checktest.Trace {
		tr := checktest.New(t, checktest.S)
		tr.Lives(int(v), 1, parse.GoRunning, 1000, tr.NthStack(0))
		return tr
	}, checktest.Case{V: 0, Want: "n/a"}, checktest.Case{V: 5000, Want: "clear"})
	real, _ := analysistest.Events(t, corpus.Trace(t, "io/net-conn-churn"))
	dial, ok := real.Lookup("net/http.(*Transport).startDialConnForLocked.func1")
	if !ok {
		t.Fatal("the corpus trace does not dial")
	}
	dials := func(n int, length int64) *checktest.Trace {
		tr := checktest.New(t, length)
		tr.Symbols = real.Symbols
		tr.Proc(0, parse.ProcUser, 0, length)
		tr.Lives(n, dial, parse.GoRunning, 1000, 1)
		return tr
	}
	checktest.At(t, connectionChurn, "dials in a second", func(v int64) *checktest.Trace { return dials(int(v), checktest.S) },
		checktest.Case{V: 49, Want: "clear"}, checktest.Case{V: 50, Want: "note"}, checktest.Case{V: 469, Want: "note"}, checktest.Case{V: 470, Want: "warning"})
	checktest.At(t, connectionChurn, "dials in 100 ms", func(v int64) *checktest.Trace { return dials(int(v), 100*checktest.MS) },
		checktest.Case{V: 49, Want: "clear"}, checktest.Case{V: 50, Want: "warning"})
	asked := parse.StackID(1)
	for real.String(real.Place(real.PlaceOf(asked)).Inner) != "net/http.(*Transport).getConn" {
		asked++
	}
	handshakes := func(n int, waited int64) *checktest.Trace {
		tr := dials(n, checktest.S)
		tr.Lives(1, real.Entry(asked), parse.GoWaiting, waited, 0)
		tr.Add(parse.Event{Time: parse.Time(waited), Kind: parse.KindGoWaiting, Go: &parse.Go{ID: 9, From: parse.GoWaiting, To: parse.GoRunnable, Func: real.Entry(asked), FromStack: asked, Ready: parse.ReadyUnblocked}})
		return tr
	}
	checktest.At(t, connectionChurn, "ms of waiting for 50 dials", func(v int64) *checktest.Trace { return handshakes(50, v*checktest.MS) },
		checktest.Case{V: 499, Want: "note"}, checktest.Case{V: 500, Want: "warning"})
	checktest.At(t, connectionChurn, "ms of waiting for few dials", func(v int64) *checktest.Trace { return handshakes(49, v*checktest.MS) }, checktest.Case{V: 900, Want: "clear"})
	if f := checktest.Report(t, connectionChurn, handshakes(50, 500*checktest.MS)).Results[0].Findings[0]; f.Cost.Clock != analysis.GTime || !strings.Contains(f.Summary, ", most from main.") || !strings.Contains(f.Summary, ", which waited for them for 500 ms") {
		t.Errorf("%+v", f)
	}
	checktest.At(t, connectionChurn, "connections made, a request at once", func(v int64) *checktest.Trace { return keeps(t, v, 0, 1) },
		checktest.Case{V: 103, Want: "note"}, checktest.Case{V: 104, Want: "warning"})
	checktest.At(t, connectionChurn, "connections of 104 that end", func(v int64) *checktest.Trace { return keeps(t, 104, v, 1) },
		checktest.Case{V: 0, Want: "warning"}, checktest.Case{V: 1, Want: "note"})
	checktest.At(t, connectionChurn, "requests at once for 104 connections", func(v int64) *checktest.Trace { return keeps(t, 104, 0, v) },
		checktest.Case{V: 1, Want: "warning"}, checktest.Case{V: 2, Want: "note"})
	if f := checktest.Report(t, connectionChurn, keeps(t, 104, 0, 1)).Results[0].Findings[0]; !strings.Contains(f.Summary, "104 of them are still open") || !strings.HasPrefix(f.Advice, "See whether a Transport or Client is made for each request") {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]string{"io/net-conn-churn": "warning", "io/http-mix": "clear", "http-healthy": "clear", "versions/go1.26.8": "clear"} {
		checktest.Real(t, name, map[*analysis.Analyzer]string{connectionChurn: want})
	}
}

// keeps is a trace in which connections are made one after the other, some end and the
// others stay open.
func keeps(t *testing.T, made, ended, atOnce int64) *checktest.Trace {
	return checktest.Tell(t, checktest.S, func(s *checktest.Story) {
		for i := range atOnce {
			answers, client := s.Go("net/http.(*persistConn).readLoop"), s.Go("main.fetch")
			client.Wait((1+i)*checktest.MS, 900*checktest.MS, answers, "net/http.(*persistConn).readLoop:9", "runtime.selectgo", "net/http.(*persistConn).roundTrip", "net/http.(*Client).Get", "main.get:15")
		}
		client := s.Go("main.open")
		for i := range made {
			at := (1 + i*8) * checktest.MS
			dial := client.Start(at, "net/http.(*Transport).startDialConnForLocked.func1", "net/http.(*Transport).startDialConnForLocked", "net/http.(*Client).Get", "main.get:15")
			loop := dial.Start(at+1000, "net/http.(*persistConn).readLoop", "net/http.(*Transport).dialConn")
			dial.End(at + 2000)
			if i < ended {
				loop.End(at + checktest.MS)
			} else {
				loop.Block(at+3000, "internal/poll.(*FD).Read", "net.(*conn).Read")
			}
		}
	})
}

// Connections that drivers of database/sql make are told of where goroutines wait for them
// half of the time and more.
func TestSQLConnects(t *testing.T) {
	for _, c := range []struct {
		n       int64
		each    int64
		connect string
		want    string
	}{
		{50, 10100 * checktest.USNS, "database/sql.dsnConnector.Connect", "found"},
		{50, 9900 * checktest.USNS, "database/sql.dsnConnector.Connect", "n/a"},
		{49, 15000 * checktest.USNS, "database/sql.dsnConnector.Connect", "n/a"},
		{50, 10100 * checktest.USNS, "database/sql.(*driverConn).resetSession", "n/a"},
	} {
		res := checktest.Report(t, connectionChurn, checktest.Tell(t, checktest.S, func(s *checktest.Story) {
			s.Go("main.main") // runs to the end
			w := s.Go("main.serve")
			for i := range c.n {
				w.Wait((1+19*i)*checktest.MS, (1+19*i)*checktest.MS+c.each, nil, "", "internal/poll.(*FD).Read", "main.(*driver).Open:6", c.connect, "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.(*repo).find:18")
			}
		})).Results[0]
		if (len(res.Findings) == 1) != (c.want == "found") {
			t.Errorf("%+v: %+v", c, res)
		}
		if c.want == "found" && !strings.Contains(res.Findings[0].Summary, "most from main.(*repo).find at main.(*driver).Open:6") {
			t.Error(res.Findings[0].Summary)
		}
	}
}
