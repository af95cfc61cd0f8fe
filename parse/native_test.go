package parse

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream reads all events of a source; stacks and strings are spelled out, since
// the two readers meet them in another order.
type spelled struct {
	rawEvent
	stackText, resText, reasonText, nameText, textText string
}

func spell(sym *Symbols, e rawEvent) spelled {
	s := spelled{rawEvent: e, reasonText: sym.String(e.reason), nameText: sym.String(e.name), textText: sym.String(e.text)}
	s.stackText, s.resText = spellStack(sym, e.stack), spellStack(sym, e.resStack)
	s.reason, s.name, s.text, s.stack, s.resStack = 0, 0, 0, 0, 0
	s.wall = s.wall.UTC()
	return s
}

func spellStack(sym *Symbols, id StackID) string {
	var b strings.Builder
	for _, f := range sym.Stack(id) {
		b.WriteString(sym.String(f.Func) + " " + sym.String(f.File) + " ")
		for n := f.Line; n > 0; n /= 10 {
			b.WriteByte(byte('0' + n%10))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestNative compares package wire with the reference reader, event by event, over
// every trace at hand, sound or not.
func TestNative(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/traces/*.trace")
	if more, _ := filepath.Glob("../../shared/corpus/*/*.trace"); !testing.Short() {
		paths = append(paths, more...)
	}
	compared := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		version, err := headerVersion(data)
		if err != nil || version < 22 {
			continue
		}
		compared++
		compareReaders(t, filepath.Base(path), data, version)
	}
	if compared < 20 {
		t.Errorf("only %d traces compared", compared)
	}
}

// compareReaders reports whether the two readers agree on data.
func compareReaders(t *testing.T, name string, data []byte, version int) {
	t.Helper()
	refSym, sym := newSymbols(), newSymbols()
	ref, err := newXReader(bytes.NewReader(data), refSym)
	if err != nil {
		t.Fatal(name, err)
	}
	own, err := newNative(bufio.NewReader(bytes.NewReader(data)), version, sym)
	if err != nil {
		t.Fatal(name, err)
	}
	for n := 0; ; n++ {
		var a, b rawEvent
		errA, errB := ref.next(&a), own.next(&b)
		if errA != nil || errB != nil {
			if errA == nil && errB != nil || errA != nil && errB == nil {
				if errA != nil && strings.Contains(errA.Error(), "misuse of region") {
					return
				}
				t.Errorf("%s: event %d: reference %v %+v, ours %v %+v", name, n, errA, spell(refSym, a), errB, spell(sym, b))
			} else if (errA.Error() == "EOF") != (errB.Error() == "EOF") {
				t.Errorf("%s: after %d events: reference %v, ours %v", name, n, errA, errB)
			}
			return
		}
		if sa, sb := spell(refSym, a), spell(sym, b); sa != sb {
			t.Errorf("%s: event %d:\nreference %+v\nours      %+v", name, n, sa, sb)
			return
		}
	}
}
