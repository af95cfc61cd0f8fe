package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tracelens/tracelens/analysis"
)

// plain is a cell for programs: numbers in their base units, "" for none.
func plain(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	}
	return fmt.Sprint(cell)
}

// field is text as a cell of CSV: what a spreadsheet would take for a formula gets a '
// before it, also in the wide forms that some take for the same.
func field(s string) string {
	s = Clean(s)
	if r, _ := utf8.DecodeRuneInString(s); strings.ContainsRune("=+-@＝＋－＠", r) {
		return "'" + s
	}
	return s
}

// CSV writes every cell of the tables on a line: table, row from 1, column, unit, value.
func CSV(w io.Writer, rep *analysis.Report, _ Options) error {
	out := csv.NewWriter(w)
	out.Write([]string{"table", "row", "column", "unit", "value"})
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			for i, row := range t.Rows {
				for k, col := range t.Columns {
					value := plain(row[k])
					if col.Unit == analysis.Text {
						value = field(value)
					}
					out.Write([]string{field(t.Name), strconv.Itoa(i + 1), field(col.Name), field(string(col.Unit)), value})
				}
			}
		}
	}
	out.Flush()
	return out.Error() // also of the writes
}
