package report

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/tracelens/tracelens/analysis"
)

const (
	gap      = 2   // cells between columns
	minText  = 16  // cells that text is not shortened below
	maxProse = 120 // cells of a line that is no table
)

// table writes a table within the width. What is too wide loses the directories of
// files and import paths first, the widest column before others, then the middle of texts, then columns at the right.
func (p *printer) table(t *analysis.Table) {
	cols := make([]column, len(t.Columns))
	rows := t.Rows[:min(len(t.Rows), p.depth.rows)]
	for i, c := range t.Columns {
		cols[i] = column{name: strings.ReplaceAll(Clean(c.Name), "_", " "), text: c.Unit == analysis.Text}
		for _, row := range rows {
			cols[i].cells = append(cols[i].cells, Clean(analysis.Format(row[i], c.Unit, p.quantum)))
		}
		cols[i].fit()
	}
	room := p.Width - 2
	for _, strip := range []func([]string){withoutCommonDirectories, withoutDirectories} {
		for _, i := range widestFirst(cols) {
			if total(cols) > room && cols[i].text {
				stripped := slices.Clone(cols[i].cells)
				strip(stripped)
				if different(stripped) == different(cols[i].cells) { // no two look alike now
					cols[i].cells = stripped
					cols[i].fit()
				}
			}
		}
	}
	for total(cols) > room && len(cols) > 1 {
		widest := -1
		for i, c := range cols {
			if c.text && c.width > minText && (widest < 0 || c.width > cols[widest].width) {
				widest = i
			}
		}
		if widest >= 0 {
			cols[widest].width = max(minText, cols[widest].width-(total(cols)-room+1)/2)
		} else {
			cols = cols[:len(cols)-1]
		}
	}
	cols[0].width = min(cols[0].width, room)

	title := t.Title
	if t.N > 0 && !strings.Contains(title, analysis.FormatCount(t.N)) {
		title += ", n = " + analysis.FormatCount(t.N)
	}
	p.wrapped("  ", faint, title)
	lines := 0
	for i := range cols {
		cols[i].head = wrap(cols[i].name, cols[i].width)
		lines = max(lines, len(cols[i].head))
	}
	for l := range lines {
		var b strings.Builder
		for i := range cols {
			c := &cols[i]
			cell := ""
			if k := l - (lines - len(c.head)); k >= 0 {
				cell = c.head[k]
			}
			b.WriteString(c.pad(cell, i == 0))
		}
		p.line("  " + p.style(bold, strings.TrimRight(b.String(), " ")))
	}
	shown := make([][][]string, len(cols)) // lines of cells, by column and row
	for i := range cols {
		shown[i] = cols[i].lines(i == len(cols)-1, p.depth.lines)
	}
	for r := range rows {
		high := 1
		for i := range cols {
			high = max(high, len(shown[i][r]))
		}
		for l := range high {
			var b strings.Builder
			for i := range cols {
				cell := ""
				if l < len(shown[i][r]) {
					cell = shown[i][r][l]
				}
				b.WriteString(cols[i].pad(cell, i == 0))
			}
			p.line("  " + b.String())
		}
	}
	var left []string
	if more := t.More + int64(len(t.Rows)-len(rows)); more > 0 {
		left = append(left, counted(more, "row"))
	}
	if n := len(t.Columns) - len(cols); n > 0 {
		left = append(left, counted(int64(n), "column"))
	}
	if len(left) > 0 {
		p.line("  " + p.style(faint, "… and "+strings.Join(left, " and ")+" more"))
	}
}

// cellsOf is how many cells of a terminal a text takes.
func cellsOf(s string) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return ansi.StringWidth(s)
		}
	}
	return len(s)
}

type column struct {
	name  string
	text  bool
	head  []string // the name, over several lines
	cells []string
	width int
}

// fit makes the column as wide as its cells and the longest word of its name.
func (c *column) fit() {
	c.width = 0
	for _, word := range strings.Fields(c.name) {
		c.width = max(c.width, cellsOf(word))
	}
	for _, cell := range c.cells {
		c.width = max(c.width, cellsOf(cell))
	}
}

// prose says whether the column holds sentences, which are not shortened.
func (c *column) prose() bool {
	return c.text && slices.ContainsFunc(c.cells, func(cell string) bool { return strings.Count(cell, " ") > 6 })
}

// lines are those of each cell. One is enough where the cell is short, or can be made
// so; sentences in the last column take several, and so do cells that would look like
// others when they are cut, but none more than most.
func (c *column) lines(last bool, most int) [][]string {
	out := make([][]string, len(c.cells))
	if last && c.prose() {
		for r, cell := range c.cells {
			out[r] = clip(wrap(cell, c.width), most, c.width)
		}
		return out
	}
	is := make(map[string]string) // what a short form stands for
	alike := make(map[string]bool)
	for _, cell := range c.cells {
		short := shorten(cell, c.width)
		if other, known := is[short]; known && other != cell {
			alike[short] = true
		}
		is[short] = cell
	}
	for r, cell := range c.cells {
		short := shorten(cell, c.width)
		out[r] = []string{short}
		if alike[short] && most > 1 {
			out[r] = strings.Split(ansi.Wrap(cell, c.width, "/."), "\n")
		}
	}
	return out
}

// different counts the different cells.
func different(cells []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(cells))))
}

// pad aligns a cell: text left, numbers right.
func (c *column) pad(cell string, first bool) string {
	space := strings.Repeat(" ", max(0, c.width-cellsOf(cell)))
	if c.text {
		cell += space
	} else {
		cell = space + cell
	}
	if first {
		return cell
	}
	return strings.Repeat(" ", gap) + cell
}

func total(cols []column) int {
	n := gap * (len(cols) - 1)
	for _, c := range cols {
		n += c.width
	}
	return n
}

// wrap breaks s at spaces into lines of at most width cells; a longer word is shortened.
// ansi.Wordwrap would break at hyphens too, and so the codes of findings.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		word = shorten(word, width)
		switch {
		case line == "":
			line = word
		case cellsOf(line)+1+cellsOf(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// clip keeps so many of the lines.
func clip(all []string, lines, width int) []string {
	if len(all) > lines {
		all = all[:lines]
		all[lines-1] = ansi.Truncate(all[lines-1]+" …", width, "…")
	}
	return all
}

func widestFirst(cols []column) []int {
	order := make([]int, len(cols))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cols[b].width, cols[a].width) })
	return order
}

// withoutCommonDirectories takes away those that all cells begin with.
func withoutCommonDirectories(cells []string) {
	if len(cells) == 0 {
		return
	}
	common := cells[0]
	for _, cell := range cells {
		for !strings.HasPrefix(cell, common) {
			common = common[:len(common)-1]
		}
	}
	common = common[:strings.LastIndexByte(common, '/')+1]
	for r := range cells {
		cells[r] = cells[r][len(common):]
	}
}

func withoutDirectories(cells []string) {
	for r, cell := range cells {
		if strings.Contains(cell, ".") { // the code of a finding has none
			cells[r] = directories.ReplaceAllString(cell, "$2")
		}
	}
}

// directories is the part of an import path before its last element, in which there is a
// dot; units such as ms/s have none.
var directories = regexp.MustCompile(`([\w.~@-]+/)+([\w~@-]+\.)`)

// shorten cuts s to width cells: what follows its first word, or, when that is
// too wide itself, its middle. The end of a name, with the function's own name
// and line, says more than its start.
func shorten(s string, width int) string {
	n := cellsOf(s)
	if n <= width {
		return s
	}
	if name, _, more := strings.Cut(s, " "); more {
		if cellsOf(name)+2 <= width {
			return strings.TrimRight(ansi.Truncate(s, width-1, ""), " (") + "…"
		}
		return shorten(name, width)
	}
	head := ansi.Truncate(s, max(0, width-1)/4, "")
	for cut := n - width + 1 + cellsOf(head); cut < n; cut++ {
		// A cut within a wide character leaves more than asked for.
		if out := head + ansi.TruncateLeft(s, cut, "…"); cellsOf(out) <= width {
			return out
		}
	}
	return "…"
}
