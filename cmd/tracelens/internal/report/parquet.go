package report

import (
	"io"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/tracelens/tracelens/analysis"
)

// parquetCell is a row of the Parquet file: one cell of a table, or one metric, which
// is a cell of the table "metrics" in the column of its id. Numbers are in the base
// unit of their column.
type parquetCell struct {
	Table  string   `parquet:"table,dict,zstd"`
	Row    int64    `parquet:"row,delta,zstd"`
	Column string   `parquet:"column,dict,zstd"`
	Unit   string   `parquet:"unit,dict,zstd"`
	Number *float64 `parquet:"number,optional,zstd"`
	Text   *string  `parquet:"text,optional,dict,zstd"`
}

// Parquet writes the metrics and every cell of the tables, for SQL over many reports.
func Parquet(w io.Writer, rep *analysis.Report, _ Options) error {
	out := parquet.NewGenericWriter[parquetCell](w, parquet.CreatedBy("tracelens", "", ""))
	var cells []parquetCell
	flush := func() error {
		_, err := out.Write(cells)
		cells = cells[:0]
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(rep.Metrics)) {
		v := float64(rep.Metrics[id].Value)
		cells = append(cells, parquetCell{Table: "metrics", Row: 1, Column: id, Unit: string(rep.Metrics[id].Unit), Number: &v})
	}
	for _, res := range rep.Results {
		for _, t := range res.Tables {
			for i, row := range t.Rows {
				for k, cell := range row {
					c := parquetCell{Table: t.Name, Row: int64(i + 1), Column: t.Columns[k].Name, Unit: string(t.Columns[k].Unit)}
					if v, ok := number(cell); ok {
						c.Number = &v
					} else if s, ok := cell.(string); ok {
						c.Text = &s
					}
					cells = append(cells, c)
				}
			}
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Close()
}
