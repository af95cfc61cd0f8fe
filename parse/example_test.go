package parse_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tracelens/tracelens/parse"
)

// Read the events of a trace, and say where goroutines waited for locks.
func Example_readEvents() {
	f, err := os.Open("../testdata/traces/lock-5ms.trace")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	// An event is valid until the next one: keep numbers and ids, or a Clone.
	type place struct {
		reason parse.StringID
		stack  parse.StackID
	}
	waited := make(map[place]time.Duration)
	tr, err := parse.Read(context.Background(), f, parse.Options{}, func(e *parse.Event) {
		if e.Kind == parse.KindGoWaiting && e.Go.Class == parse.ClassUser {
			waited[place{e.Go.FromReason, e.Go.FromStack}] += time.Duration(e.Held())
		}
	})
	if err != nil {
		log.Fatal(err) // nothing could be read
	}
	if tr.Fault != nil {
		log.Print(tr.Fault) // the rest could not
	}

	var most place
	for p := range waited {
		if tr.String(p.reason) == "sync" && waited[p] > waited[most] {
			most = p
		}
	}
	site, _ := tr.Site(most.stack)
	fmt.Printf("%v of waiting for locks in %s\n", waited[most].Round(time.Millisecond), tr.String(site.Func))
	// Output:
	// 111ms of waiting for locks in main.prepareLock5ms.func1
}
