package blocking

import (
	"embed"

	"github.com/tracelens/tracelens/analysis"
)

// All check locks, channels, the network and tasks.
var All = []*analysis.Analyzer{
	lockConvoy, RwmutexWriterStall, channelPingPong, StuckGoroutines, tickerStorm,
	netpollDelay, deadlinesExpired, straggler, thunderingHerd,
	slowPeer, saturatedStage, exhaustedPool, queueHead, rateLimiter, stuckFinalizer, slowHandover, periodicStall,
}

//go:embed *.md
var pages embed.FS
