package plots

import (
	"image/color"
	"strings"
)

// A role is what a series means. It has the same colour in every figure, and no other has
// that colour.
type role int

const (
	none role = iota
	user
	system
	gcWorker // GC work that takes its P from the program
	assist
	syscall
	scheduler
	stw
	stopping // the world is being stopped
	idle     // nothing to do
	limit    // what the others are held against
	runnable
	held // by other goroutines
	network
	asleep
	elsewhere
	unknown
	other
	gcIdle // GC work on Ps that nobody else wanted
	gcFractional
	gcUnlabelled
	gcMark // the phase
	sweepTermination
	markTermination
	gcStopped
	gcStopping
	otherStopped
	otherStopping
	whole // all of the others together
	created
	unblocked
	preempted
	yielded
	lockHandoff
	tracer
	coroutine
	runnext
	local
	global
	stolen
	direct
	bySignal
	cooperative
	suspended
	taken
	found
	withoutP
	restart
	channel
	selecting
	locks
	handoff
	heap
	older
	newer
	standard
	plain // one series alone, of which nothing is said by a colour
	roleCount
)

// meanings are the words by which the series of a role are known, and its colour on light
// and on dark.
var meanings = [roleCount]struct {
	words       []string
	light, dark uint32
}{
	user:             {[]string{"user", "running"}, 0x0072B2, 0x2E86CC},
	system:           {[]string{"system", "runtime"}, 0x7CC4EE, 0xA9DBF7},
	gcWorker:         {[]string{"gc worker", "gcworker", "workers", "dedicated worker", "gc", "for the gc"}, 0xC8500A, 0xD9601F},
	assist:           {[]string{"assist", "mark assist", "gcassist", "assists"}, 0xF0B032, 0xFFCB5C},
	syscall:          {[]string{"syscall", "system call", "in calls", "calls"}, 0x009E73, 0x1AA97D},
	scheduler:        {[]string{"scheduler", "scheduler on a P"}, 0xDC8FBD, 0xE29AC6},
	stw:              {[]string{"stw", "stopped", "pauses"}, 0x111418, 0xFFFFFF},
	stopping:         {[]string{"stopping"}, 0x959CA4, 0x929BA5},
	idle:             {[]string{"idle", "idle Ps", "no P", "parked"}, 0xE6E9ED, 0x2F3740},
	limit:            {[]string{"gomaxprocs", "goal"}, 0x474F5E, 0xCFDDEB},
	runnable:         {[]string{"runnable", "waiting for a P"}, 0xBD0039, 0xFE4A6F},
	held:             {[]string{"held up", "waiting", "blocked", "other waits"}, 0x71327D, 0x8B7FFF},
	network:          {[]string{"network", "network poller", "netpoll"}, 0x969644, 0xB6B158},
	asleep:           {[]string{"asleep", "sleep", "timer", "asleep or for a timer"}, 0x939BFF, 0x1E55AE},
	elsewhere:        {[]string{"waits elsewhere"}, 0xCEAFD4, 0x5A4772},
	unknown:          {[]string{"not known", "unknown", "untold", "ambiguous", "without a stack to tell"}, 0xB2B8C1, 0x4C5560},
	other:            {[]string{"other"}, 0x816653, 0x927A66},
	gcIdle:           {[]string{"idle worker", "idle workers"}, 0xFDCCA7, 0x8D5B3E},
	gcFractional:     {[]string{"fractional worker"}, 0xEB8C4D, 0xF3900E},
	gcUnlabelled:     {[]string{"worker without label"}, 0xA7998F, 0x8B8079},
	gcMark:           {[]string{"mark", "GC mark"}, 0x697941, 0xAFC06B},
	sweepTermination: {[]string{"sweep termination STW"}, 0x392820, 0xFAEBDE},
	markTermination:  {[]string{"mark termination STW"}, 0x671D4D, 0xF79DC2},
	gcStopped:        {[]string{"gc stopped"}, 0x59270C, 0xFFD4BC},
	gcStopping:       {[]string{"gc stopping"}, 0xC8936C, 0xB17C55},
	otherStopped:     {[]string{"other stopped"}, 0x2A1747, 0xDDD4FF},
	otherStopping:    {[]string{"other stopping"}, 0xA595C9, 0x8472AE},
	whole:            {[]string{"all", "all but yields"}, 0x212C37, 0xEAFFF6},
	created:          {[]string{"created"}, 0x477A3F, 0x7BEFB4},
	unblocked:        {[]string{"unblocked"}, 0x0E4798, 0x6C8FFB},
	preempted:        {[]string{"preempted"}, 0x6D1817, 0xAC6494},
	yielded:          {[]string{"yield", "runtime.Gosched"}, 0xC8A000, 0xEDD444},
	lockHandoff:      {[]string{"lock handoff", "lockhandoff"}, 0xD55AAF, 0xFF8DBE},
	tracer:           {[]string{"tracer"}, 0x665948, 0xB59E84},
	coroutine:        {[]string{"coroutine"}, 0x544A77, 0x96A5E5},
	runnext:          {[]string{"runnext"}, 0x186EBA, 0x2677B0},
	local:            {[]string{"local"}, 0x687A83, 0x88D4B8},
	global:           {[]string{"global"}, 0x966300, 0xD19E34},
	stolen:           {[]string{"stolen"}, 0x9B0748, 0xEA5367},
	direct:           {[]string{"direct"}, 0x79B530, 0xC4E872},
	bySignal:         {[]string{"by signal"}, 0xA0340C, 0xF2784C},
	cooperative:      {[]string{"cooperative"}, 0x35697F, 0x8DD0FF},
	suspended:        {[]string{"suspended"}, 0x7483E1, 0x938ACE},
	taken:            {[]string{"sysmon taking the P"}, 0x5C4A9B, 0x9987DF},
	found:            {[]string{"return with a P found at once"}, 0x3FAC6D, 0x5ED296},
	withoutP:         {[]string{"return without a P", "without a P"}, 0xD9792F, 0xF89B54},
	restart:          {[]string{"restart of the world"}, 0x2A404D, 0xE1E3E1},
	channel:          {[]string{"channel"}, 0x5178BC, 0x8FA7F7},
	selecting:        {[]string{"select"}, 0x66B189, 0x81D5CB},
	locks:            {[]string{"sync"}, 0x923582, 0xCD6CB8},
	handoff:          {[]string{"P handoffs"}, 0xAE6214, 0xE19952},
	heap:             {[]string{"heap"}, 0x2E8F88, 0x4EB4AF},
	older:            {[]string{"old"}, 0x888788, 0xAB9EA5},
	newer:            {[]string{"new"}, 0x0E5EBF, 0x63A0FF},
	standard:         {[]string{"standard library"}, 0xA59FB4, 0x687C90},
	plain:            {nil, 0x5A7F9D, 0x809DB5},
}

var roles = func() map[string]role {
	m := make(map[string]role)
	for r, x := range meanings {
		for _, word := range x.words {
			m[strings.ToLower(word)] = role(r)
		}
	}
	return m
}()

func roleOf(name string) role { return roles[strings.ToLower(name)] }

// roleColors are the colours of the roles.
func roleColors(dark bool) (colors [roleCount]color.Color) {
	for r, x := range meanings {
		colors[r] = rgb(x.light)
		if dark {
			colors[r] = rgb(x.dark)
		}
	}
	return colors
}
