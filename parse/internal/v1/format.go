package v1

// Types of events (runtime/trace.go up to Go 1.21).
const (
	evNone            = iota
	evBatch           // P, time: what follows is of that P
	evFrequency       // ticks per second
	evStack           // id, number of frames, and for each PC, function, file, line
	evGomaxprocs      // n
	evProcStart       // thread
	evProcStop        //
	evGCStart         // sequence number
	evGCDone          //
	evSTWStart        // kind; before Go 1.10 a P's part in mark termination begins
	evSTWDone         //
	evSweepStart      //
	evSweepDone       // bytes swept, reclaimed
	evGoCreate        // goroutine, stack of its entry
	evGoStart         // goroutine, sequence number
	evGoEnd           //
	evGoStop          // blocks for ever
	evGoSched         // runtime.Gosched
	evGoPreempt       //
	evGoSleep         //
	evGoBlock         //
	evGoUnblock       // goroutine, sequence number
	evGoBlockSend     //
	evGoBlockRecv     //
	evGoBlockSelect   //
	evGoBlockSync     //
	evGoBlockCond     //
	evGoBlockNet      //
	evGoSysCall       //
	evGoSysExit       // goroutine, sequence number, time of the exit
	evGoSysBlock      //
	evGoWaiting       // goroutine: it waited when the trace began
	evGoInSyscall     // goroutine: it was in a call when the trace began
	evHeapAlloc       // bytes
	evHeapGoal        // bytes
	evTimerGoroutine  // goroutine
	evFutileWakeup    //
	evString          // id, length, bytes
	evGoStartLocal    // goroutine
	evGoUnblockLocal  // goroutine
	evGoSysExitLocal  // goroutine, time of the exit
	evGoStartLabel    // goroutine, sequence number, label
	evGoBlockGC       //
	evMarkAssistStart //
	evMarkAssistDone  //
	evTaskCreate      // task, parent, type
	evTaskEnd         // task
	evRegion          // task, 0 for its begin or 1 for its end, type
	evLog             // task, category; the message follows the event
	evCPUSample       // time, P, goroutine
	numEvents
)

// spec is how an event is written.
type spec struct {
	name  string
	since uint8 // Go 1.since
	args  uint8 // without the time, which comes first, and the stack, which comes last
	stack bool
}

var specs = [64]spec{
	evBatch:           {"Batch", 7, 2, false},
	evFrequency:       {"Frequency", 7, 1, false},
	evStack:           {"Stack", 7, 2, false},
	evGomaxprocs:      {"Gomaxprocs", 7, 1, true},
	evProcStart:       {"ProcStart", 7, 1, false},
	evProcStop:        {"ProcStop", 7, 0, false},
	evGCStart:         {"GCStart", 7, 1, true},
	evGCDone:          {"GCDone", 7, 0, false},
	evSTWStart:        {"STWStart", 7, 1, false},
	evSTWDone:         {"STWDone", 7, 0, false},
	evSweepStart:      {"GCSweepStart", 7, 0, true},
	evSweepDone:       {"GCSweepDone", 7, 2, false},
	evGoCreate:        {"GoCreate", 7, 2, true},
	evGoStart:         {"GoStart", 7, 2, false},
	evGoEnd:           {"GoEnd", 7, 0, false},
	evGoStop:          {"GoStop", 7, 0, true},
	evGoSched:         {"GoSched", 7, 0, true},
	evGoPreempt:       {"GoPreempt", 7, 0, true},
	evGoSleep:         {"GoSleep", 7, 0, true},
	evGoBlock:         {"GoBlock", 7, 0, true},
	evGoUnblock:       {"GoUnblock", 7, 2, true},
	evGoBlockSend:     {"GoBlockSend", 7, 0, true},
	evGoBlockRecv:     {"GoBlockRecv", 7, 0, true},
	evGoBlockSelect:   {"GoBlockSelect", 7, 0, true},
	evGoBlockSync:     {"GoBlockSync", 7, 0, true},
	evGoBlockCond:     {"GoBlockCond", 7, 0, true},
	evGoBlockNet:      {"GoBlockNet", 7, 0, true},
	evGoSysCall:       {"GoSysCall", 7, 0, true},
	evGoSysExit:       {"GoSysExit", 7, 3, false},
	evGoSysBlock:      {"GoSysBlock", 7, 0, false},
	evGoWaiting:       {"GoWaiting", 7, 1, false},
	evGoInSyscall:     {"GoInSyscall", 7, 1, false},
	evHeapAlloc:       {"HeapAlloc", 7, 1, false},
	evHeapGoal:        {"HeapGoal", 7, 1, false},
	evTimerGoroutine:  {"TimerGoroutine", 7, 1, false},
	evFutileWakeup:    {"FutileWakeup", 7, 0, false},
	evString:          {"String", 7, 0, false},
	evGoStartLocal:    {"GoStartLocal", 7, 1, false},
	evGoUnblockLocal:  {"GoUnblockLocal", 7, 1, true},
	evGoSysExitLocal:  {"GoSysExitLocal", 7, 2, false},
	evGoStartLabel:    {"GoStartLabel", 8, 3, false},
	evGoBlockGC:       {"GoBlockGC", 8, 0, true},
	evMarkAssistStart: {"GCMarkAssistStart", 9, 0, true},
	evMarkAssistDone:  {"GCMarkAssistDone", 9, 0, false},
	evTaskCreate:      {"UserTaskCreate", 11, 3, true},
	evTaskEnd:         {"UserTaskEnd", 11, 1, true},
	evRegion:          {"UserRegion", 11, 3, true},
	evLog:             {"UserLog", 11, 2, true},
	evCPUSample:       {"CPUSample", 19, 3, true},
}

// numbers returns how many numbers each event consists of in a version's files.
func numbers(version int) (n [64]uint8) {
	for typ := range n {
		s := &specs[typ]
		if s.name == "" || int(s.since) > version {
			continue
		}
		n[typ] = s.args
		if s.stack {
			n[typ]++
		}
		switch typ {
		case evBatch, evFrequency, evTimerGoroutine, evStack, evString:
		default:
			n[typ]++ // time
		}
	}
	if version < 10 {
		n[evSTWStart]-- // no kind
	}
	if version < 9 {
		n[evSweepDone] -= 2
	}
	return n
}

// varint reads a number from data at off and returns where the next one begins: 0 if
// data ends inside it, -1 if it is longer than any number.
func varint(data []byte, off int) (v uint64, next int) {
	for shift := uint(0); shift < 64; shift += 7 {
		if uint(off) >= uint(len(data)) {
			return 0, 0
		}
		b := data[off]
		off++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if shift == 63 && b > 1 {
				return 0, -1
			}
			return v, off
		}
	}
	return 0, -1
}
