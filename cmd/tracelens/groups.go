package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/tracelens/tracelens/cmd/tracelens/internal/config"
)

var placeholder = regexp.MustCompile(`\{(-?[0-9]+)\}`)

// groupBy makes the names of groups from a template; what a path does not have is "?".
func groupBy(template string) (func(string) string, error) {
	if template == "" {
		return nil, nil
	}
	if rest := placeholder.ReplaceAllString(template, ""); rest == template || strings.ContainsAny(rest, "{}") || strings.Contains(template, "{0}") {
		return nil, fmt.Errorf("--group-by %q: need places such as {1}, the first element of a path, or {-1}, the last", template)
	}
	return func(path string) string {
		parts := elements(path)
		return placeholder.ReplaceAllStringFunc(template, func(place string) string {
			i, err := strconv.Atoi(place[1 : len(place)-1])
			if i < 0 {
				i += len(parts) + 1
			}
			if err != nil || i < 1 || i > len(parts) {
				return "?"
			}
			return parts[i-1]
		})
	}, nil
}

// elements are those of a path.
func elements(path string) []string {
	return strings.FieldsFunc(filepath.ToSlash(path), func(r rune) bool { return r == '/' })
}

// grouped is the error of groups into which no input falls.
func (f *fleetFlags) grouped(paths iter.Seq[string]) error {
	if f.group == nil {
		return nil
	}
	longest, example := 0, ""
	for path := range paths {
		if f.group(path) != f.noGroup {
			return nil
		}
		longest, example = max(longest, len(elements(path))), cmp.Or(example, path)
	}
	if example == "" {
		return nil
	}
	if f.groups != "" {
		return fmt.Errorf("--groups %s: no pattern in it matches a path, such as %s", f.groups, example)
	}
	return fmt.Errorf("--group-by %q: no path has so many elements; they have at most %d, such as %s", f.groupBy, longest, example)
}

// groupsOf reads the names of groups from a CSV file: under a header, a row has a
// pattern of paths, and what they have. The first row that matches counts; a path
// that none matches is in group "?".
func groupsOf(name string) (func(string) string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows[0]) < 2 || rows[0][0] != "path" {
		return nil, errors.New("line 1: need a header such as path,service,host")
	}
	type group struct {
		match func(string) bool
		name  string
	}
	var groups []group
	for i, row := range rows[1:] {
		var has []string
		for i, v := range row[1:] {
			has = append(has, rows[0][i+1]+"="+v)
		}
		match, err := config.FileGlob(row[0])
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		groups = append(groups, group{match, strings.Join(has, " ")})
	}
	return func(path string) string {
		path = filepath.ToSlash(path)
		for _, g := range groups {
			if g.match(path) {
				return g.name
			}
		}
		return "?"
	}, nil
}
