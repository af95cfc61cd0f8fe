package sketch

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestHistogramJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 31, 32, 33, 1000} {
		var h Histogram
		for range n {
			h.Add(rnd.Int64N(1 << rnd.IntN(50)))
		}
		text, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		var again Histogram
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatalf("%d values: %v", n, err)
		}
		if !reflect.DeepEqual(h, again) {
			t.Errorf("%d values: read again, it is another: %s", n, text)
		}
	}
}

func TestHistogramJSONRefused(t *testing.T) {
	for _, text := range []string{
		`{"sum":3,"min":1,"max":2,"values":[2,1]}`,
		`{"sum":4,"min":1,"max":2,"values":[1,2]}`,
		`{"sum":-1,"min":-1,"max":-1,"values":[-1]}`,
		`{"sum":40,"min":1,"max":1,"buckets":[1]}`,
		`{"sum":40,"min":1,"max":1,"buckets":[1,20]}`,     // few enough to be kept
		`{"sum":40,"min":2,"max":2,"buckets":[1,40]}`,     // another bucket than min's
		`{"sum":40,"min":1,"max":1,"buckets":[99999,40]}`, // no such bucket
		`{"sum":40,"min":1,"max":1,"buckets":[1,-40]}`,
		`{"sum":40,"min":1,"max":1,"buckets":[1,40],"values":[1]}`,
	} {
		var h Histogram
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s is taken for a histogram", text)
		}
	}
}

// TestHistogramJSONRead: what MarshalJSON writes is read without encoding/json, and the same
// in another notation is read with it.
func TestHistogramJSONRead(t *testing.T) {
	for _, n := range []int64{0, 1, 32, 33, 5000} {
		var h, again Histogram
		for i := range n {
			h.Add(i * i * 7)
		}
		text, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		if !new(encoded).read(text) {
			t.Errorf("%d values: %.80s is not read", n, text)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", " "); err != nil {
			t.Fatal(err)
		}
		if new(encoded).read(indented.Bytes()) {
			t.Errorf("%d values: what is indented is read", n)
		}
		if err := json.Unmarshal(indented.Bytes(), &again); err != nil || !reflect.DeepEqual(h, again) {
			t.Errorf("%d values: %v, or another histogram", n, err)
		}
	}
	for _, text := range []string{`{"sum":01,"min":1,"max":1}`, `{"sum":-1,"min":1,"max":1}`, `{"sum":1.5,"min":1,"max":1}`, `{"sum":9999999999999999999,"min":1,"max":1}`, `{"sum":1,"min":1,"max":1,"values":[]}`, `{"sum":1}`} {
		if new(encoded).read([]byte(text)) {
			t.Errorf("%s is read", text)
		}
	}
}
