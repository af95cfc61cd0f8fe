#!/bin/sh
# Writes the traces of ../ with the Go versions that are named.
set -e
cd "$(dirname "$0")"
for v in 1.22.12 1.24.9 1.26.8 1.27.3; do
	short=go$(echo "$v" | cut -d. -f1-2 | tr -d .)
	for mode in http http2; do
		GOTOOLCHAIN=go$v CGO_ENABLED=0 GOMAXPROCS=4 go run -trimpath . $mode "../$mode-$short.trace" "../$mode-$short.json"
	done
done
for mode in jobs workers sql; do
	GOTOOLCHAIN=go1.26.8 CGO_ENABLED=0 GOMAXPROCS=4 go run -trimpath . $mode "../$mode.trace" "../$mode.json"
done
cd ../gengrpc
GOTOOLCHAIN=go1.26.8 CGO_ENABLED=0 GOMAXPROCS=4 go run -trimpath . ../grpc.trace ../grpc.json
