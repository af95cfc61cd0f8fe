package parse

// MaxRequestLogs is how many messages of a request are told, the first ones.
const MaxRequestLogs = 16

// RequestLog is a message that the program wrote with runtime/trace.Log in a request.
type RequestLog struct {
	At                Time
	G                 GoID
	Category, Message StringID
}

// requestLogs are the messages of a request.
type requestLogs struct {
	first []RequestLog
	more  int
}

func (l *requestLogs) add(m RequestLog) {
	if len(l.first) < MaxRequestLogs {
		l.first = append(l.first, m)
	} else {
		l.more++
	}
}

// maxAround is to how many tasks and regions around it a message belongs at most.
const maxAround = 8

// logRequests gives a message of g, nil for none, at stack, to the requests that it was
// written in: its task and those around it, g's regions, and what g serves.
func (t *tracker) logRequests(g *goroutine, stack StackID) {
	t.wakesAt(g, stack) // it may be the first that tells what g serves
	m := RequestLog{At: t.now, G: NoGo, Category: t.ev.Log.Category, Message: t.ev.Log.Message}
	if g != nil {
		m.G = g.ID
	}
	id := t.ev.Log.Task
	for range maxAround {
		o, ok := t.tasks[id]
		if !ok {
			break
		}
		o.logs.add(m)
		t.tasks[id], id = o, o.parent
	}
	if g == nil {
		return
	}
	for i := range g.regions[max(len(g.regions)-maxAround, 0):] {
		g.regions[len(g.regions)-1-i].logs.add(m)
	}
	if r := g.reqs; r != nil {
		for _, o := range []*openRequest{&r.serve, &r.call} {
			if o.kind != 0 {
				o.logs.add(m)
			}
		}
	}
}
