package measures

import (
	"github.com/tracelens/tracelens/analysis"
	"github.com/tracelens/tracelens/analysis/internal/tally"
	"github.com/tracelens/tracelens/analysis/sketch"
)

// NetpollOf is the fold of netpoll, for an analyzer that requires it.
func NetpollOf(p *analysis.Pass) *NetpollFold { return analysis.FoldOf[*NetpollFold](p, Netpoll) }

// Wakeups is TODO.
func (f *NetpollFold) Wakeups() *[numPollers]int64 { return &f.wakeups }

// Latency is readied to running, whole waits.
func (f *NetpollFold) Latency() *[numDeliveries]sketch.Histogram { return &f.latency }

// Sites is sites are all waits of user goroutines: which are for the network is known when the strings can be read.
func (f *NetpollFold) Sites() *tally.Keyed[WaitSite, NetworkWaits] { return &f.sites }

// Delays is of user goroutines readied by it, by when they ran.
func (f *NetpollFold) Delays() *sketch.Series { return f.delays }
