// Package sniff tells by their first bytes what files are that hold no trace, and what
// to do with them instead.
package sniff

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// HeadSize is how many of a file's first bytes are enough.
const HeadSize = 16 << 10

// A Kind is what a file is.
type Kind struct {
	Name string // with its article
	Do   string // what is right for it; FILE stands for its name, "" where nobody knows
}

// For is Do about a file of that name, in a shell's words.
func (k Kind) For(quoted string) string { return strings.ReplaceAll(k.Do, "FILE", quoted) }

// IsTrace says whether a file begins as a Go execution trace, plain or compressed once.
func IsTrace(head []byte) bool {
	plain, layers := unpack(head)
	return layers <= 1 && bytes.HasPrefix(plain, []byte("go 1.")) && !isHeapDump(plain)
}

// unpack undoes up to three layers of gzip or zstd.
func unpack(head []byte) (plain []byte, layers int) {
	for ; layers < 3; layers++ {
		var r io.Reader
		switch {
		case bytes.HasPrefix(head, []byte("\x1f\x8b")):
			z, err := gzip.NewReader(bytes.NewReader(head))
			if err != nil {
				return nil, layers + 1
			}
			r = z
		case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
			z, err := zstd.NewReader(bytes.NewReader(head), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
			if err != nil {
				return nil, layers + 1
			}
			defer z.Close()
			r = z
		default:
			return head, layers
		}
		head, _ = io.ReadAll(io.LimitReader(r, HeadSize)) // it ends early: there are only the first bytes
	}
	return head, layers
}

// isHeapDump tells what debug.WriteHeapDump writes, which begins almost as a trace.
func isHeapDump(plain []byte) bool {
	line, _, _ := bytes.Cut(plain[:min(len(plain), 32)], []byte("\n"))
	return bytes.HasSuffix(line, []byte(" heap dump"))
}

const record = "a trace is recorded by runtime/trace, or fetched from /debug/pprof/trace?seconds=5"

// Look says what a file is; ok is false where that is not known, or it is a trace.
func Look(head []byte) (k Kind, ok bool) {
	plain, layers := unpack(head)
	has := func(s string) bool { return bytes.HasPrefix(plain, []byte(s)) }
	text := bytes.TrimLeft(plain, " \t\r\n")
	begins := func(s string) bool { return bytes.HasPrefix(text, []byte(s)) }
	switch {
	case isHeapDump(plain):
		return Kind{"a heap dump (debug.WriteHeapDump)", "viewcore reads it; " + record}, true
	case has("go 1.") && layers > 1:
		return Kind{"a trace that is compressed twice", unpackWith(head) + " FILE | tracelens analyze -"}, true
	case has("\xfd7zXZ\x00"):
		return Kind{"a file in xz", "xz -dc FILE | tracelens analyze -"}, true
	case has("BZh"):
		return Kind{"a file in bzip2", "bzip2 -dc FILE | tracelens analyze -"}, true
	case has("PK\x03\x04"):
		return Kind{"a zip archive", "unzip -p FILE | tracelens analyze -, or unpack it into a folder for tracelens audit"}, true
	case len(plain) >= 262 && string(plain[257:262]) == "ustar":
		return Kind{"a tar archive", "tracelens audit FILE"}, true
	case has("PERFILE2"):
		return Kind{"a recording of perf", "perf report -i FILE"}, true
	case isProfile(plain):
		return Kind{"a profile in pprof's format", "go tool pprof FILE; " + record}, true
	case isPerfetto(plain):
		return Kind{"a Perfetto trace", "https://ui.perfetto.dev opens it"}, true
	case has("heap profile: "), has("goroutine profile: "), has("threadcreate profile: "), has("--- mutex:"), has("--- contention:"):
		return Kind{"a profile as text (/debug/pprof with debug=1)", record}, true
	case begins(`{"Time":"`) && bytes.Contains(plain, []byte(`"Action":`)):
		return Kind{"the output of go test -json", "go test -trace=trace.out, then tracelens analyze trace.out"}, true
	case begins("{") && bytes.Contains(plain, []byte(`"traceEvents"`)):
		return Kind{"a trace in Chrome's JSON format", "https://ui.perfetto.dev opens it"}, true
	case begins("{") && bytes.Contains(plain, []byte(`"schema"`)) && bytes.Contains(plain, []byte(`"tracelens `)):
		return Kind{"a saved report", "tracelens render FILE"}, true
	}
	return Kind{}, false
}

func unpackWith(head []byte) string {
	if head[0] == 0x28 {
		return "zstd -dc"
	}
	return "gzip -dc"
}

// fields calls each for the first fields of a message in protobuf's format, with what
// those of length hold. It is false where b is no such message.
func fields(b []byte, each func(number uint64, body []byte)) bool {
	for n := 0; len(b) > 0 && n < 64; n++ {
		tag, w := binary.Uvarint(b)
		if w <= 0 || tag>>3 == 0 || tag>>3 > 1<<20 {
			return false
		}
		b = b[w:]
		var body []byte
		switch tag & 7 {
		case 0:
			_, w = binary.Uvarint(b)
			if w <= 0 {
				return len(b) < 10 // cut
			}
			b = b[w:]
		case 1, 5:
			size := map[uint64]int{1: 8, 5: 4}[tag&7]
			b = b[min(size, len(b)):]
		case 2:
			size, w := binary.Uvarint(b)
			if w <= 0 {
				return len(b) < 10
			}
			b = b[w:]
			body = b[:min(size, uint64(len(b)))]
			b = b[len(body):]
		default:
			return false
		}
		each(tag>>3, body)
	}
	return true
}

// isProfile tells a profile.proto: it has types of samples, which are pairs of strings,
// and samples.
func isProfile(b []byte) bool {
	all, types, samples := true, false, false
	ok := fields(b, func(number uint64, body []byte) {
		all = all && number <= 15
		samples = samples || number == 2
		if number == 1 {
			pair := len(body) > 0
			types = fields(body, func(n uint64, _ []byte) { pair = pair && n <= 2 }) && pair
			all = all && types
		}
	})
	return ok && all && types && samples
}

// isPerfetto tells a sequence of packets with times or sequences.
func isPerfetto(b []byte) bool {
	packets, known := 0, false
	ok := len(b) > 0 && b[0] == 0x0a && fields(b, func(number uint64, body []byte) {
		if number != 1 {
			packets = -1 << 20
		}
		packets++
		fields(body, func(n uint64, _ []byte) { known = known || n == 8 || n == 10 || n == 33 || n == 13 })
	})
	return ok && packets > 0 && known
}
