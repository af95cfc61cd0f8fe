#!/bin/sh
# Makes cmd/tracelens/default.pgo again: a CPU profile of analyze over the traces of
# the benchmarks, which the compiler uses to lay out and inline the hot paths.
set -eu
cd "$(dirname "$0")/../.."
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
go test -trimpath ./parse -run '^$' -bench 'Report/.*/analyze-jobs1$' -benchtime 10x -cpuprofile "$profile" -o /dev/null
go tool pprof -proto -output cmd/tracelens/default.pgo "$profile"
