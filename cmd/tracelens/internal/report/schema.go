package report

import _ "embed"

// Schema is the JSON Schema of reports, as the JSON format writes them.
//
//go:embed report.schema.json
var Schema []byte
