package parse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// queueScript drives the model: "+1@0" readies goroutine 1 on P0 as another one wakes
// it, "+1@-" into the global queue, "+1@0 poll" as the network poller does, "1>0" lets
// P0 start goroutine 1, and what follows "=" is the origin that it must tell, with the
// victim and the batch of a steal.
func queueScript(t *testing.T, q *runQueues, script string) {
	t.Helper()
	gs, how := make(map[int]*queued), make(map[int]readying)
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		step, want, _ := strings.Cut(strings.TrimSpace(line), " = ")
		var g, p int
		var kind string
		switch {
		case strings.HasPrefix(step, "+"):
			r := readying{how: ReadyUnblocked, home: NoProc}
			if n, _ := fmt.Sscanf(step, "+%d@%d %s", &g, &p, &kind); n >= 2 {
				r.home = ProcID(p)
			}
			switch {
			case kind == "poll":
				r.how = ReadyNetpoll
			case strings.HasSuffix(step, "-"):
				r.how = ReadyPreempted
			}
			gs[g], how[g] = new(queued), r
			q.enqueue(gs[g], r)
			if kind == "poll" {
				q.hand(gs[g], r.home, r.how, 1)
			}
		default:
			if n, err := fmt.Sscanf(step, "%d>%d", &g, &p); n != 2 {
				t.Fatal(line, err)
			}
			o, victim, batch := q.start(gs[g], q.proc(ProcID(p)), how[g])
			got := o.String()
			if victim != NoProc {
				got = fmt.Sprintf("%v from %d, %d", o, victim, batch)
			}
			if got != want {
				t.Errorf("%s: %s", line, got)
			}
		}
	}
}

func TestRunQueues(t *testing.T) {
	for name, script := range map[string]string{
		"the last one woken runs next": `
			+1@0
			+2@0
			2>0 = runnext
			1>0 = local`,
		"a steal takes the older ones along": `
			+1@0
			+2@0
			+3@0
			+4@0
			3>1 = stolen from 0, 3
			1>1 = stolen from 0, 0
			4>1 = stolen from 0, 1
			2>1 = stolen from 0, 0`,
		"the global queue gives a batch": `
			+1@-
			+2@-
			+3@-
			+4@-
			1>0 = global
			2>0 = global
			3>1 = ambiguous from 0, 0
			4>1 = global`,
		"the poller's last one is started at once, its first may be anywhere": `
			+1@0 poll
			+2@0 poll
			2>0 = direct
			1>1 = ambiguous from 0, 0`,
		"whoever is overtaken left unseen": `
			+1@0
			+2@0
			+3@0
			2>0 = local
			1>1 = ambiguous from 0, 0`,
	} {
		t.Run(name, func(t *testing.T) {
			q := &runQueues{procs: 2}
			q.proc(0)
			q.proc(1)
			queueScript(t, q, script)
		})
	}
}

// TestRunQueuesShrink: what a P that goes away had queued comes first of all.
func TestRunQueuesShrink(t *testing.T) {
	q := &runQueues{}
	q.proc(0)
	q.proc(1)
	gs := make([]queued, 3)
	q.enqueue(&gs[0], readying{how: ReadyPreempted, home: NoProc})
	q.enqueue(&gs[1], readying{how: ReadyCreated, home: 1})
	q.enqueue(&gs[2], readying{how: ReadyCreated, home: 1})
	q.flush(q.proc(1))
	q.proc(1).gone = true
	for i, g := range []*queued{&gs[1], &gs[2], &gs[0]} {
		if q.global.live()[i] != g {
			t.Errorf("element %d of the global queue is another", i)
		}
	}
	q.enqueue(&gs[0], readying{how: ReadyCreated, home: 1})
	if gs[0].where != inGlobal {
		t.Error("a goroutine was queued on a P that is gone")
	}
}

// TestRunQueuesRandom: whatever happens, a goroutine is in the queue it is said to be
// in, and in no other.
func TestRunQueuesRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	q := &runQueues{procs: 4}
	for id := range ProcID(4) {
		q.proc(id)
	}
	gs := make([]queued, 2000)
	how := make([]readying, len(gs))
	ready := make([]bool, len(gs))
	for range 50_000 {
		i := rnd.IntN(len(gs))
		switch {
		case !ready[i]:
			how[i] = readying{how: Ready(rnd.IntN(int(NumReady))), home: ProcID(rnd.IntN(5)) - 1, direct: rnd.IntN(2) == 0}
			q.enqueue(&gs[i], how[i])
			ready[i] = true
		case rnd.IntN(50) == 0:
			q.remove(&gs[i])
			ready[i] = false
		case rnd.IntN(5000) == 0:
			q.flush(q.proc(ProcID(rnd.IntN(4))))
		default:
			q.start(&gs[i], q.proc(ProcID(rnd.IntN(4))), how[i])
			ready[i] = false
		}
	}
	in := make(map[*queued]int)
	for _, g := range q.global.live() {
		in[g]++
		if g.where != inGlobal {
			t.Fatalf("in the global queue, said to be in %d", g.where)
		}
	}
	for _, p := range q.ps {
		if p.next != nil {
			in[p.next]++
			if p.next.where != inRunNext || p.next.p != p {
				t.Fatal("in runnext, said to be elsewhere")
			}
		}
		for _, g := range p.local.live() {
			in[g]++
			if g.where != inLocal || g.p != p {
				t.Fatal("in a local queue, said to be elsewhere")
			}
		}
	}
	for i := range gs {
		queued := gs[i].where == inRunNext || gs[i].where == inLocal || gs[i].where == inGlobal
		if queued != (in[&gs[i]] == 1) || queued && !ready[i] {
			t.Fatalf("goroutine %d is in %d queues, said to be in %d", i, in[&gs[i]], gs[i].where)
		}
	}
	if len(in) < 100 {
		t.Errorf("only %d goroutines are queued", len(in))
	}
}
