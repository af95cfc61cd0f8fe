package measures

import (
	"strings"
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

const ms = int64(1_000_000)

// leads returns what the holders of a trace lead with.
func leads(t *testing.T, story func(*checktest.Story)) string {
	var texts []string
	for _, l := range checktest.Report(t, Holders, checktest.Tell(t, 1000*ms, story)).Results[0].Leading {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, "\n")
}

// Who waits for the answer of one that waits for time to pass is held up by that one, where
// that one was asked; not who waits for what it sends by itself.
func TestAnsweredByTimer(t *testing.T) {
	for _, asked := range []bool{true, false} {
		got := leads(t, func(s *checktest.Story) {
			batch, source, write := s.Go("main.batch"), s.Go("main.source"), s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 49*i) * ms
				by := source
				if asked {
					by = write
				}
				batch.Wait(at, at+ms, by, "main.write:3", "runtime.selectgo", "main.batch:12")
				write.Wait(at+2*ms, at+41*ms, batch, "main.flush:5", "runtime.chanrecv1", "main.write:7")
				batch.Wait(at+3*ms, at+40*ms, nil, "", "runtime.selectgo", "main.batch:12")
			}
		})
		if strings.HasSuffix(got, "blocked in select at main.batch:12 ← until a timer ends it") != asked {
			t.Errorf("asked %t: %s", asked, got)
		}
	}
}

// Long waits with many short ones between are not said to be ended by nobody.
func TestLongAmongShort(t *testing.T) {
	for _, ends := range []bool{true, false} {
		got := leads(t, func(s *checktest.Story) {
			reader, poll, call := s.Go("main.read"), s.Go("main.poll"), s.Go("main.call")
			stack := []string{"runtime.selectgo", "net/http.(*persistConn).roundTrip", "main.get:9"}
			if ends {
				for at := ms; at < 900*ms; at += 450 * ms {
					poll.Wait(at, at+440*ms, reader, "main.read:4", stack...)
				}
			} else {
				poll.Block(200*ms, stack...)
			}
			for i := range int64(40) {
				if at := (2 + 24*i) * ms; ends {
					call.Wait(at, at+ms, reader, "main.read:4", stack...)
				}
			}
		})
		if strings.Contains(got, "nobody ends it up to the end of the trace") == ends {
			t.Errorf("ends %t: %s", ends, got)
		}
	}
}

// Of who holds a lock, or ends waits, it is said in which function that is: the innermost one
// that both does what keeps the others and ends it.
func TestHeldWithin(t *testing.T) {
	for _, c := range []struct{ ends, want string }{
		{"sync.(*Mutex).Unlock main.(*state).sync:30 main.(*state).loop:8", " ← main.run holds it in main.(*state).sync:22 (9"},
		{"sync.(*Mutex).Unlock main.(*state).loop:9", " ← main.run holds it in main.(*state).loop:8 (9"},
		{"sync.(*Mutex).Unlock main.run:3", " ← main.run holds it (9"},
	} {
		got := leads(t, func(s *checktest.Story) {
			holder, get := s.Go("main.run"), s.Go("main.serve")
			for i := range int64(20) {
				at := (1 + 49*i) * ms
				holder.Wait(at, at+40*ms, nil, "", "time.Sleep", "main.(*client).ask:5", "main.(*state).sync:22", "main.(*state).loop:8")
				get.Wait(at+ms, at+41*ms, holder, c.ends, "sync.(*Mutex).Lock", "main.(*state).get:44")
			}
		})
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.ends, got, c.want)
		}
	}
}
