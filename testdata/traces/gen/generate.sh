#!/bin/sh
# Makes all traces of the folder above, or only those named: ./generate.sh [NAME…]
# Toolchains that are not installed come through the Go module proxy.
set -eu
cd "$(dirname "$0")"
export CGO_ENABLED=0
go124=go1.24.9
go125=go1.25.3
go126=go1.26.8
go127=go1.27.3
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
only=" $* "

# make NAME TOOLCHAIN PROCS WORKLOAD [GODEBUG]
make() {
	case "$only" in
	"  " | *" $1 "*) ;;
	*) return 0 ;;
	esac
	[ -x "$bin/$2" ] || GOTOOLCHAIN=$2 go build -trimpath -o "$bin/$2" .
	GODEBUG=${5-} "$bin/$2" -procs "$3" -o "../$1.trace" "$4"
	echo "$1 $(wc -c <"../$1.trace")"
}

make mixed-go121 go1.21.13 4 mixed
make mixed-go122 go1.22.12 4 mixed
make mixed-go123 go1.23.12 4 mixed
make mixed-go124 $go124 4 mixed
make mixed-go125 $go125 4 mixed
make mixed-go126 $go126 4 mixed
make mixed-go127 $go127 4 mixed
make procs-1 $go126 1 mixed
make procs-2 $go126 2 mixed
make procs-8 $go126 8 mixed
make steal-bursts $go126 4 steal-bursts
make steal-timers $go126 4 steal-timers
make preempt-async $go126 2 preempt-async
make preempt-async-go124 $go124 2 preempt-async
make preempt-cooperative $go126 2 preempt-cooperative asyncpreemptoff=1
make spin-30ms $go126 1 spin-30ms asyncpreemptoff=1
make syscall-handoff $go126 2 syscall-handoff
make syscall-handoff-go124 $go124 2 syscall-handoff
make netpoll-echo $go126 2 netpoll-echo
make mutex-starvation $go126 2 mutex-starvation
make mutex-starvation-go124 $go124 2 mutex-starvation
make lock-5ms $go126 2 lock-5ms
make straggler $go126 2 straggler
make pool-too-small $go126 2 pool-too-small
make thundering-herd $go126 2 thundering-herd
make stw-kinds $go126 2 stw-kinds
make gomaxprocs-change $go126 2 gomaxprocs-change
make gc-assist $go126 2 gc-assist
make gc-sweep $go126 2 gc-sweep
make chatty-syscalls $go126 2 chatty-syscalls
make stw-straggler $go126 2 stw-straggler asyncpreemptoff=1
make heap-growth $go126 2 heap-growth
make memory-limit $go126 2 memory-limit
make mark-starves $go126 1 mark-starves
make oversubscribed $go126 8 oversubscribed
make migration $go126 2 migration
make lockosthread-pingpong $go126 2 lockosthread-pingpong
make coroutines $go126 2 coroutines
make annotations $go126 2 annotations
make flight-recorder $go125 2 flight-recorder
make cpu-samples $go126 2 cpu-samples
make http-healthy $go126 2 http-healthy
make idle $go126 2 idle
make heartbeat $go124 2 heartbeat
