package fleet

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"os"

	"github.com/tracelens/tracelens/analysis"
)

// columns keep the metrics of all traces, those of one name together: they are wanted one
// at a time. What is more than spillAt goes to a file.
type columns struct {
	byName map[string]*column
	size   int // of all tails
	most   int // size from which on they go to the file
	dir    string
	file   *os.File // nil until it is needed
	name   string   // of the file, where it cannot go without one
	end    int64    // of what is written
}

const spillAt = 8 << 20

// A column is one metric of many traces. Values are encoded as differences of rows and
// what follows them, about eight bytes.
type column struct {
	name string
	kind analysis.Metric // what is the same for all
	n    int
	last int // row of the latest value
	tail []byte
	file []block // what came before
}

type block struct {
	at   int64
	size int
}

// A value is one metric of one trace.
type value struct {
	row int
	v   float64
	at  *int64
}

// kindOf is what all values of a metric have in common.
func kindOf(m analysis.Metric) analysis.Metric {
	m.Value, m.N, m.At = 0, 0, nil
	return m
}

// fits is the error of metrics that are not what they are elsewhere.
func (c *columns) fits(metrics map[string]analysis.Metric) error {
	for name, m := range metrics {
		if col := c.byName[name]; col != nil && col.kind != kindOf(m) {
			return fmt.Errorf("metric %s is %s %s here, and %s %s elsewhere", name, m.Scale, m.Unit, col.kind.Scale, col.kind.Unit)
		}
	}
	return nil
}

// add adds the metrics of a row that is greater than all before.
func (c *columns) add(row int, metrics map[string]analysis.Metric) error {
	for name, m := range metrics {
		col := c.byName[name]
		if col == nil {
			col = &column{name: name, kind: kindOf(m)}
			c.byName[name] = col
		}
		before := len(col.tail)
		step := uint64(row-col.last) << 1
		if m.At != nil {
			step |= 1
		}
		col.tail = binary.AppendUvarint(col.tail, step)
		col.tail = binary.AppendUvarint(col.tail, bits.ReverseBytes64(math.Float64bits(float64(m.Value))))
		if m.At != nil {
			col.tail = binary.AppendVarint(col.tail, *m.At)
		}
		col.last = row
		col.n++
		c.size += len(col.tail) - before
	}
	if c.size > c.most {
		return c.spill()
	}
	return nil
}

// spill writes all tails to the file.
func (c *columns) spill() error {
	if c.file == nil {
		f, err := os.CreateTemp(c.dir, ".tmp-*")
		if err != nil {
			return err
		}
		c.file = f
		if os.Remove(f.Name()) != nil { // Windows: only once it is closed
			c.name = f.Name()
		}
	}
	for _, col := range c.byName {
		if len(col.tail) == 0 {
			continue
		}
		if _, err := c.file.WriteAt(col.tail, c.end); err != nil {
			return err
		}
		col.file = append(col.file, block{c.end, len(col.tail)})
		c.end += int64(len(col.tail))
		col.tail = col.tail[:0]
	}
	c.size = 0
	return nil
}

// values are those of a column, in the order they were added.
func (c *columns) values(col *column) ([]value, error) {
	out := make([]value, 0, col.n)
	row := 0
	decode := func(data []byte) {
		for len(data) > 0 {
			step, n := binary.Uvarint(data)
			data = data[n:]
			row += int(step >> 1)
			raw, n := binary.Uvarint(data)
			data = data[n:]
			v := value{row: row, v: math.Float64frombits(bits.ReverseBytes64(raw))}
			if step&1 != 0 {
				at, n := binary.Varint(data)
				data = data[n:]
				v.at = &at
			}
			out = append(out, v)
		}
	}
	var data []byte
	for _, b := range col.file {
		data = append(data[:0], make([]byte, b.size)...)
		if _, err := c.file.ReadAt(data, b.at); err != nil {
			return nil, fmt.Errorf("what was set aside: %w", err)
		}
		decode(data)
	}
	decode(col.tail)
	return out, nil
}

func (c *columns) close() {
	if c.file != nil {
		c.file.Close()
		if c.name != "" {
			os.Remove(c.name)
		}
	}
}
