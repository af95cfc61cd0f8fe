package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// NetpollOf is the fold of netpoll, for an analyzer that requires it.
func NetpollOf(p *analysis.Pass) *NetpollFold { return analysis.FoldOf[*NetpollFold](p, Netpoll) }

// Wakeups counts wake-ups by who polled.
func (f *NetpollFold) Wakeups() *[numPollers]int64 { return &f.wakeups }

// Latency are whole waits from ready to running, in ns, by how they were delivered.
func (f *NetpollFold) Latency() *[numDeliveries]sketch.Histogram { return &f.latency }

// Sites are all waits of user goroutines by where they were: which are for the network is known when the strings can be read.
func (f *NetpollFold) Sites() *tally.Keyed[WaitSite, NetworkWaits] { return &f.sites }

// Delays are the starts of user goroutines readied by the poller and their waits in ns, by when they ran: lanes DelayStarts and DelayTotal.
func (f *NetpollFold) Delays() *sketch.Series { return f.delays }
