package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// maxReport bounds what is read of a report.
const maxReport = 256 << 20

// Decode reads the JSON form of a Report. What another version wrote, what does not
// fit together, and what follows the report is an error.
func Decode(r io.Reader) (*Report, error) {
	limited := &io.LimitedReader{R: r, N: maxReport}
	d := json.NewDecoder(limited)
	d.DisallowUnknownFields()
	d.UseNumber()
	var rep Report
	if err := d.Decode(&rep); err != nil {
		switch {
		case limited.N == 0:
			err = fmt.Errorf("longer than %s", FormatBytes(maxReport))
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			err = errors.New("it ends in the middle")
		}
		return nil, fmt.Errorf("no report of 'tracelens analyze --format json': %w", err)
	}
	if rep.Schema != Schema {
		return nil, fmt.Errorf("a report of schema %d; this version reads %d", rep.Schema, Schema)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one report")
	}
	for i, res := range rep.Results {
		if res == nil {
			return nil, fmt.Errorf("results[%d] is null", i)
		}
		for k, t := range res.Tables {
			if t == nil {
				return nil, fmt.Errorf("%s: tables[%d] is null", res.Name, k)
			}
			if err := t.restore(); err != nil {
				return nil, fmt.Errorf("%s: table %s: %w", res.Name, t.Name, err)
			}
		}
		for _, f := range res.Figures {
			if err := f.fits(res.Tables); err != nil {
				return nil, fmt.Errorf("%s: figure %s: %w", res.Name, f.Name, err)
			}
		}
	}
	return &rep, nil
}

// restore gives the cells the types that their columns say.
func (t *Table) restore() error {
	for r, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return fmt.Errorf("row %d has %d cells for %d columns", r, len(row), len(t.Columns))
		}
		for i, cell := range row {
			c := t.Columns[i]
			var err error
			switch v := cell.(type) {
			case nil:
			case string:
				if c.Unit != Text {
					err = errors.New("text")
				}
			case json.Number:
				switch c.Unit {
				case Text:
					err = errors.New("a number")
				case Ratio, PerS:
					row[i], err = v.Float64()
				default: // a mean of counts has a fraction
					if row[i], err = v.Int64(); err != nil {
						row[i], err = v.Float64()
					}
				}
			default:
				err = fmt.Errorf("%T", cell)
			}
			if err != nil {
				return fmt.Errorf("row %d, column %s of unit %s: %w", r, c.Name, c.Unit, err)
			}
		}
	}
	return nil
}

// fits says whether the figure's columns are in its table.
func (f *Figure) fits(tables []*Table) error {
	i := slices.IndexFunc(tables, func(t *Table) bool { return t.Name == f.Table })
	if i < 0 {
		return fmt.Errorf("no table %q", f.Table)
	}
	for _, name := range append([]string{f.X, f.Series, f.End}, f.Y...) {
		if name != "" && !slices.ContainsFunc(tables[i].Columns, func(c Column) bool { return c.Name == name }) {
			return fmt.Errorf("no column %q in table %s", name, f.Table)
		}
	}
	return nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	*n = Number(f)
	return err
}
