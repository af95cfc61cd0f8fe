package browser

import (
	"bytes"
	"testing"

	printing "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// What matters of a page is on four sheets at most.
func TestPrint(t *testing.T) {
	yes := true
	for _, name := range looked {
		b := open(t, render(t, testdata(name)), 1280, 900)
		pdf, err := chromedp.Call(b.ctx, printing.PrintToPDF, printing.PrintToPDFParams{PrintBackground: &yes})
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(pdf.Data, []byte("/Type /Page\n")); n < 1 || n > 4 {
			t.Errorf("%s: %d sheets, want 1 to 4", name, n)
		}
	}
}
