// Package blocking holds the checks of waits: locks, channels, timers, the network: NAME.go, its page NAME.md and its
// cases NAME_test.go each.
package blocking

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All are the checks of this topic, in the order of the report.
var All = []*analysis.Analyzer{
	lockConvoy, RwmutexWriterStall, channelPingPong, StuckGoroutines, tickerStorm,
	netpollDelay, deadlinesExpired, straggler, thunderingHerd,
	slowPeer, saturatedStage, exhaustedPool, queueHead, rateLimiter, stuckFinalizer, slowHandover, periodicStall, droppedTicks,
}

//go:embed *.md
var pages embed.FS
