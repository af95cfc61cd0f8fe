package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"runtime/pprof"
	"time"
)

func init() {
	workloads["cpu-samples"] = workload{program: "cpusamples.go", procs: 2, prepare: prepareCPUSamples}
}

// prepareCPUSamples profiles within the trace: what the profile counts is what
// the trace must hold.
func prepareCPUSamples(t *truth) func() {
	t.plant("cpu-hot", "main.burnHot", map[string]any{"ns": int(300 * time.Millisecond)})
	t.plant("cpu-hot", "main.burnWarm", map[string]any{"ns": int(100 * time.Millisecond)})
	return func() {
		var profile bytes.Buffer
		check(pprof.StartCPUProfile(&profile))
		done := make(chan struct{})
		go burnHot(done)
		burnWarm()
		<-done
		pprof.StopCPUProfile()
		samples, cpu := sumProfile(&profile)
		t.Measured["samples"] = samples
		t.Measured["samples_cpu_ns"] = cpu
	}
}

func burnHot(done chan<- struct{}) {
	compute(300 * time.Millisecond)
	close(done)
}

//go:noinline
func burnWarm() { compute(100 * time.Millisecond) }

// sumProfile adds the values of all samples of a gzipped profile.proto, field 2
// of every field 2: a count and nanoseconds. runtime/pprof does not pack two
// values (proto.go: protobuf.uint64s).
func sumProfile(r io.Reader) (count, ns uint64) {
	z, err := gzip.NewReader(r)
	check(err)
	profile, err := io.ReadAll(z)
	check(err)
	eachField(profile, func(field, _ uint64, sample []byte) {
		if field != 2 {
			return
		}
		var values []uint64
		eachField(sample, func(field, value uint64, _ []byte) {
			if field == 2 {
				values = append(values, value)
			}
		})
		count += values[0]
		ns += values[1]
	})
	return count, ns
}

// eachField calls f with every field of a protocol buffer message that has
// only varints and length-delimited fields, as profiles do; value is the
// varint or the length.
func eachField(message []byte, f func(field, value uint64, data []byte)) {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		value, m := binary.Uvarint(message[n:])
		message = message[n+m:]
		var data []byte
		if tag&7 == 2 {
			data, message = message[:value], message[value:]
		}
		f(tag>>3, value, data)
	}
}
