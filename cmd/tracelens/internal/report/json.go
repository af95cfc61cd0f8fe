package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"

	"github.com/tracelens/tracelens/analysis"
)

// JSON writes the whole report, indented, with keys in a fixed order.
func JSON(w io.Writer, rep *analysis.Report, _ Options) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(rep); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	_, err := w.Write(Escape(b.Bytes()))
	return err
}

// Escape writes unprintable runes as \u escapes. They occur in strings only, and
// encoding/json leaves those beyond ASCII as they are, though a terminal may obey them.
func Escape(text []byte) []byte {
	unprintable := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if bytes.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case !unprintable(r):
			out = append(out, string(r)...)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
