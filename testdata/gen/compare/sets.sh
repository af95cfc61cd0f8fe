#!/bin/sh
# Records what TestFalseAlarms, TestPlantedSets and TestPower of analysis/compare read:
#
#	testdata/gen/compare/sets.sh DIR
#	TRACELENS_COMPARE=DIR go test ./analysis/compare -run 'TestFalseAlarms|TestPlantedSets|TestPower' -v
#
# In half an hour and 200 MB: runs of the same programs of 600 ms (same), of 9 s (long), of
# programs that no threshold was chosen by (others); and programs before and after a change
# (changed, longchanged). One of each after the other, since what else the machine does
# changes with time.
set -e
mkdir -p "$1"
dir=$(cd "$1" && pwd)
src=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir/same" "$dir/long" "$dir/others" "$dir/changed" "$dir/longchanged"
go build -o "$dir/gen" "$src/main.go" "$src/loads.go"
go build -o "$dir/load" "$src/../../../internal/bench/load"
(cd "$src/../../requests/gen" && go build -o "$dir/servers" .)
old=$(mktemp -d)
cp "$src"/*.go "$old"
(cd "$old" && printf 'module compare\n\ngo 1.24\n' >go.mod && GOTOOLCHAIN=${OLDGO:-go1.24.9} go build -o "$dir/gen124" .)
rm -r "$old"

record() { # FOLDER/NAME PROGRAM LENGTH ARGUMENT...
	file=$dir/$1-$i.trace program=$2 length=$3
	shift 3
	[ -f "$file" ] || "$dir/$program" -for "$length" -o "$file.part" "$@"
	[ -f "$file" ] || mv "$file.part" "$file"
}
changed() { # FOLDER LENGTH
	record "$1/base" gen "$2"
	record "$1/held" gen "$2" -held 1500us
	record "$1/backend" gen "$2" -backend 4ms
	record "$1/poolbase" gen "$2" -backend 2400us
	record "$1/pool" gen "$2" -backend 2400us -pool 1
	record "$1/gcbase" gen "$2" -bytes 131072
	record "$1/gogc" gen "$2" -bytes 131072 -gogc 50
	record "$1/alloc" gen "$2" -bytes 524288
	record "$1/record" gen "$2" -bytes 131072 -record 262144
	record "$1/procs" gen "$2" -procs 1
	record "$1/go124" gen124 "$2"
}
loads="requests pipeline fanout http echo cache batch timers files limit"
for i in $(seq -w 60); do
	for load in $loads; do
		record same/$load gen 600ms -load $load
	done
	[ "$i" -le 24 ] || continue
	changed changed 600ms
	for us in 2100 2200 2500 3000; do
		record changed/backend$us gen 600ms -backend ${us}us
	done
	for load in channels http gc generations; do
		"$dir/load" -mb 1 $load >"$dir/others/load$load-$i.trace"
	done
	for mode in http http2 jobs workers sql; do
		(cd "$src/../../requests/gen" && GOMAXPROCS=2 "$dir/servers" $mode "$dir/others/$mode-$i.trace" /dev/null)
	done
	[ "$i" -le 6 ] || continue
	for load in $loads; do
		record long/$load gen 9300ms -load $load
	done
	[ "$i" -le 4 ] || continue
	changed longchanged 9300ms
done
