package svgtest

import (
	"math"
	"strings"
	"testing"
)

const svg = `<svg width="100pt" height="50pt" viewBox="0 0 100 50">
<title>all</title>
<g transform="scale(1, -1) translate(0, -50)">
<text textLength="20.0" x="10" y="-30" transform="scale(1, -1)" style="font-size:10px;fill:#1B1F24">one</text>
<text textLength="20.0" x="%x" y="-34" transform="scale(1, -1)" style="font-size:10px;fill:#1B1F24">two</text>
<g transform="rotate(90)"><text textLength="20.0" x="10" y="-30" transform="scale(1, -1)" style="font-size:10px">turned</text></g>
<g><title>a part</title>
<path d="M0,0L10,0L10,5L0,5ZM20,0L22,0L22,5L20,5Z" style="fill:#000" />
</g>
</g>
</svg>`

func TestFaults(t *testing.T) {
	for x, want := range map[string]string{"31": "", "29": `"two" and "one" stand over one another`, "81": `"two" is not inside the picture`} {
		p, err := Parse([]byte(strings.Replace(svg, "%x", x, 1)))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(p.Faults(), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("at %s: faults %q, want %q", x, got, want)
		}
		if len(p.Texts) != 2 || len(p.Parts) != 1 || p.Parts[0].Title != "a part" {
			t.Fatalf("texts %v, parts %v", p.Texts, p.Parts)
		}
		if a := p.Parts[0].Area(); math.Abs(a-60) > 1e-9 {
			t.Errorf("the part's area is %v, want 60", a)
		}
		if x0, _, x1, y1 := p.Parts[0].Box(); x0 != 0 || x1 != 22 || y1 != 5 {
			t.Errorf("the part reaches from %v to %v, %v", x0, x1, y1)
		}
	}
}
