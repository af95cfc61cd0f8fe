#!/bin/sh
# Records what TestFalseAlarms and TestPlantedSets of analysis/compare read:
#
#	testdata/gen/compare/sets.sh DIR [ROUNDS]
#	TRACELENS_COMPARE=DIR go test ./analysis/compare -run 'TestFalseAlarms|TestPlantedSets' -v
#
# DIR/same has runs of the same programs, DIR/changed those of changed ones and their bases,
# each round one of each, 600 ms long.
set -e
dir=$1 rounds=${2:-60}
mkdir -p "$dir/same" "$dir/changed"
src=$(cd "$(dirname "$0")" && pwd)
go build -o "$dir/gen" "$src/main.go" "$src/loads.go"
old=$(mktemp -d)
cp "$src"/*.go "$old"
(cd "$old" && printf 'module compare\n\ngo 1.24\n' >go.mod && GOTOOLCHAIN=${OLDGO:-go1.24.9} go build -o "$dir/gen124" .)
rm -r "$old"
record() { # FILE PROGRAM ARGUMENT...
	file=$1 program=$2
	shift 2
	[ -f "$file" ] || "$dir/$program" -for 600ms -o "$file.part" "$@"
	[ -f "$file" ] || mv "$file.part" "$file"
}
for i in $(seq -w "$rounds"); do
	for load in requests pipeline fanout http echo cache batch timers files limit; do
		record "$dir/same/$load-$i.trace" gen -load $load
	done
	[ "$i" -le 24 ] || continue
	set=$dir/changed
	record "$set/base-$i.trace" gen
	record "$set/held-$i.trace" gen -held 1500us
	record "$set/poolbase-$i.trace" gen -backend 2400us
	record "$set/pool-$i.trace" gen -backend 2400us -pool 1
	record "$set/backend-$i.trace" gen -backend 4ms
	record "$set/procs-$i.trace" gen -procs 1
	record "$set/go124-$i.trace" gen124
	record "$set/gcbase-$i.trace" gen -bytes 131072
	record "$set/gogc-$i.trace" gen -bytes 131072 -gogc 50
	record "$set/alloc-$i.trace" gen -bytes 524288
	record "$set/record-$i.trace" gen -bytes 131072 -record 262144
done
