package parse

import "github.com/tracelens/tracelens/parse/internal/wire"

// NewTables returns the tables that Read fills, for benchmarks of package wire.
func NewTables() wire.Tables { return tables{newSymbols()} }
