package report

import (
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown reads pages, and writes them as HTML without what is HTML in them.
var markdown = sync.OnceValue(func() goldmark.Markdown { return goldmark.New(goldmark.WithExtensions(extension.Table)) })

// Page writes a page of Markdown for a terminal: headings without marks,
// paragraphs and list items filled to the width, code as it is, a table as a list
// of its rows.
func Page(w io.Writer, page string, opt Options) error {
	p := &pagePrinter{printer: *newPrinter(opt, 0), source: []byte(page)}
	p.blocks(markdown().Parser().Parse(text.NewReader(p.source)), "")
	_, err := io.WriteString(w, p.b.String())
	return err
}

type pagePrinter struct {
	printer
	source []byte
	lead   string // of the next line, once: the mark of a list item
}

// blocks writes what is within a block, with as much space before it as indent.
func (p *pagePrinter) blocks(parent ast.Node, indent string) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		_, table := n.(*extast.Table) // which does not know
		if (table || n.HasBlankPreviousLines()) && p.b.Len() > 0 && p.lead == "" {
			p.line("")
		}
		p.block(n, indent)
	}
}

func (p *pagePrinter) block(n ast.Node, indent string) {
	switch n := n.(type) {
	case *ast.Heading:
		p.line(p.first(indent) + p.style(bold, Clean(p.inline(n))))
	case *ast.Paragraph, *ast.TextBlock:
		p.wrapped(p.first(indent), "", p.inline(n))
	case *ast.List:
		number := n.Start
		for item := n.FirstChild(); item != nil; item = item.NextSibling() {
			mark := string(n.Marker) + " "
			if n.IsOrdered() {
				mark = strconv.Itoa(number) + mark
				number++
			}
			if item != n.FirstChild() && item.HasBlankPreviousLines() {
				p.line("")
			}
			p.lead = p.first(indent) + mark
			p.blocks(item, indent+strings.Repeat(" ", len(mark)))
			if p.lead != "" { // nothing is in it
				p.line(p.first(""))
			}
		}
	case *ast.Blockquote:
		p.blocks(n, p.first(indent)+"  ")
	case *ast.ThematicBreak:
		p.line(p.first(indent) + "---")
	case *extast.Table:
		p.table(n, indent)
	default: // code, or HTML, which stays as it is
		if _, html := n.(*ast.HTMLBlock); !html {
			indent += "    "
		}
		for i := range n.Lines().Len() {
			line := n.Lines().At(i)
			p.line(p.first(indent) + Clean(strings.TrimRight(string(line.Value(p.source)), "\r\n")))
		}
	}
}

// first is what stands before the first line of a block.
func (p *pagePrinter) first(indent string) string {
	if p.lead == "" {
		return indent
	}
	lead := p.lead
	p.lead = ""
	return lead
}

func (p *pagePrinter) table(t *extast.Table, indent string) {
	for row := t.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, p.inline(c))
		}
		if _, head := row.(*extast.TableHeader); head {
			p.wrapped(p.first(indent), faint, strings.Join(cells, " · ")+":")
		} else {
			p.wrapped(p.first(indent)+"* ", "", cells[0]+": "+strings.Join(cells[1:], "; "))
		}
	}
}

// inline is the text of a block. Code keeps its marks, and so does what is stressed a
// little, where the marks are all that tells it.
func (p *pagePrinter) inline(parent ast.Node) string {
	var b strings.Builder
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.Write(plainText(n.Segment.Value(p.source)))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.CodeSpan:
			b.WriteString("`")
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				b.Write(c.(*ast.Text).Segment.Value(p.source))
			}
			b.WriteString("`")
		case *ast.Emphasis:
			mark := map[int]string{1: "*"}[n.Level]
			b.WriteString(mark + p.inline(n) + mark)
		case *ast.Link:
			b.WriteString(p.inline(n) + " (" + string(n.Destination) + ")")
		case *ast.AutoLink:
			b.Write(n.Label(p.source))
		case *ast.RawHTML:
			b.Write(n.Segments.Value(p.source))
		default:
			b.WriteString(p.inline(n))
		}
	}
	return b.String()
}

// plainText is text of Markdown without escapes and entities.
func plainText(s []byte) []byte {
	return util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(s)))
}
