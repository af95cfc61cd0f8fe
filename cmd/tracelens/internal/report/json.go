package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

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
	printable := func(r rune) bool { return r == '\n' || unicode.IsPrint(r) }
	var out []byte
	done := 0 // of text, in out
	for i := 0; i < len(text); {
		if c := text[i]; ' ' <= c && c < 0x7f { // nearly all
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if !printable(r) {
			out = append(out, text[done:i]...)
			if r > 0xFFFF {
				hi, lo := utf16.EncodeRune(r)
				out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			done = i + n
		}
		i += n
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}
