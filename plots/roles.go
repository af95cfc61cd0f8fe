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
	limit:            {[]string{"gomaxprocs", "goal"}, 0x424B5D, 0xD2DDEB},
	runnable:         {[]string{"runnable", "waiting for a P"}, 0xBC0039, 0xFF4A70},
	held:             {[]string{"held up", "waiting", "blocked", "other waits"}, 0x73327F, 0x8E7FFF},
	network:          {[]string{"network", "network poller", "netpoll"}, 0x989445, 0xB4B45B},
	asleep:           {[]string{"asleep", "sleep", "timer", "asleep or for a timer"}, 0x94A5FF, 0x3A4F94},
	elsewhere:        {[]string{"waits elsewhere"}, 0xD1AED5, 0x61476A},
	unknown:          {[]string{"not known", "unknown", "untold", "ambiguous", "without a stack to tell"}, 0xB7B6C1, 0x545865},
	other:            {[]string{"other"}, 0x7C624C, 0x9A806D},
	gcIdle:           {[]string{"idle worker", "idle workers"}, 0xF7CAA6, 0x895939},
	gcFractional:     {[]string{"fractional worker"}, 0xB9603D, 0xE3845E},
	gcUnlabelled:     {[]string{"worker without label"}, 0xAF948C, 0x90847D},
	gcMark:           {[]string{"mark"}, 0xA4B754, 0xC4E38B},
	sweepTermination: {[]string{"sweep termination STW"}, 0x392B24, 0xFAE8DD},
	markTermination:  {[]string{"mark termination STW"}, 0x6B2152, 0xF89DC4},
	gcStopped:        {[]string{"gc stopped"}, 0x5B2C0D, 0xFCD6B8},
	gcStopping:       {[]string{"gc stopping"}, 0xCB9870, 0xB17C55},
	otherStopped:     {[]string{"other stopped"}, 0x2C1C4C, 0xE0D6FF},
	otherStopping:    {[]string{"other stopping"}, 0xA896C4, 0x8073AB},
	whole:            {[]string{"all", "all but yields"}, 0x242D39, 0xEAFFF6},
	created:          {[]string{"created"}, 0x9EDA94, 0x7BEEB5},
	unblocked:        {[]string{"unblocked"}, 0x3B58A4, 0x758FEC},
	preempted:        {[]string{"preempted"}, 0x7B2120, 0xB2514D},
	yielded:          {[]string{"yield", "runtime.Gosched"}, 0xD5B100, 0xF1DA4C},
	lockHandoff:      {[]string{"lock handoff", "lockhandoff"}, 0xC95499, 0xFF8DC0},
	tracer:           {[]string{"tracer"}, 0x645647, 0xB8A18B},
	coroutine:        {[]string{"coroutine"}, 0x4829A2, 0x936EA4},
	runnext:          {[]string{"runnext"}, 0x2D649B, 0x86A9E7},
	local:            {[]string{"local"}, 0x87D4A5, 0x7DDAC7},
	global:           {[]string{"global"}, 0x966500, 0xD6A03B},
	stolen:           {[]string{"stolen"}, 0x9A0C4D, 0xEE5368},
	direct:           {[]string{"direct"}, 0x82B52F, 0xC1EB77},
	bySignal:         {[]string{"by signal"}, 0xA63811, 0xF17B4F},
	cooperative:      {[]string{"cooperative"}, 0x63A3D3, 0x3896D0},
	suspended:        {[]string{"suspended"}, 0x686BBC, 0xCBBEFF},
	taken:            {[]string{"sysmon taking the P"}, 0x5B4A9F, 0x9784DB},
	found:            {[]string{"return with a P found at once"}, 0x3DA96C, 0x6AD694},
	withoutP:         {[]string{"return without a P", "without a P"}, 0xDB782B, 0xF49753},
	restart:          {[]string{"restart of the world"}, 0x334047, 0xE0E1DF},
	channel:          {[]string{"channel"}, 0x1B77C5, 0x74AAFA},
	selecting:        {[]string{"select"}, 0x7B9684, 0x9CD4C4},
	locks:            {[]string{"sync"}, 0x963989, 0xCB72BC},
	handoff:          {[]string{"P handoffs"}, 0xB5651C, 0xE39B54},
	heap:             {[]string{"heap"}, 0x2A8C87, 0x52B5AE},
	older:            {[]string{"old"}, 0x878689, 0xA3ABA9},
	newer:            {[]string{"new"}, 0x2D61BF, 0x5E9FFF},
	standard:         {[]string{"standard library"}, 0xA2B6B8, 0x687D8D},
	plain:            {nil, 0x5E7D9B, 0x829CB4},
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
