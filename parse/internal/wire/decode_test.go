package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestDecode: events are decoded to the same whether many at a time or one by one,
// however long their numbers are.
func TestDecode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	number := func(most int) uint64 { return rnd.Uint64() >> (63 - rnd.IntN(most)) }
	var data []byte
	const n = 20_000
	for range n {
		typ := byte(rnd.IntN(256))
		for argsOf[typ] < 0 {
			typ++
		}
		data = binary.AppendUvarint(append(data, typ), number(16))
		for range argsOf[typ] {
			data = binary.AppendUvarint(data, number([]int{7, 14, 21, 35, 64}[rnd.IntN(5)]))
		}
	}
	g := generation{whole: 64, nsPer: 64}
	th := &thread{data: data, begin: 1000, evs: make([]raw, n)}
	if k := g.decode(th); k != n || th.err != nil || len(th.data) != 0 {
		t.Fatalf("%d events, %v, %d bytes left", k, th.err, len(th.data))
	}
	now := int64(1000)
	for i := range th.evs {
		var e raw
		size, dt, err := e.parse(data)
		if err != nil {
			t.Fatal(err)
		}
		now += int64(dt) * 64
		got, args := &th.evs[i], argsOf[e.typ]
		if got.typ != e.typ || got.time != now {
			t.Fatalf("event %d: type %d at %d, want %d at %d", i, got.typ, got.time, e.typ, now)
		}
		for k := range args {
			if got.args[k] != e.args[k] {
				t.Fatalf("event %d of type %d: argument %d is %#x, want %#x", i, e.typ, k, got.args[k], e.args[k])
			}
		}
		if want := length(data); size != want {
			t.Fatalf("event %d of type %d: %d bytes, and its length is %d", i, e.typ, size, want)
		}
		data = data[size:]
	}
}
