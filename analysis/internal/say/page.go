package say

import "embed"

// Page returns the page of the analyzer of that name, which lies beside it. A page
// that is missing is a fault of ours.
func Page(pages embed.FS, name string) string {
	b, err := pages.ReadFile(name + ".md")
	if err != nil {
		panic(err)
	}
	return string(b)
}
