package fleet

import (
	"encoding/json"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzDecode: an entry by whomever is an error or a part of a fleet.
func FuzzDecode(f *testing.F) {
	for i := range 3 {
		text, err := json.Marshal(entry(i)) // of a real trace it is too long to mutate
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Decode(enc.EncodeAll(text, nil))
		if err != nil {
			return
		}
		fl := New(Options{})
		for _, e := range []*Entry{e, again(t, e)} {
			if err := fl.Add(e); err != nil {
				return
			}
		}
		if _, err := fl.Report("audit"); err != nil {
			t.Fatal(err)
		}
	})
}
