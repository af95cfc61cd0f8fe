package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

// A module is one that a program is linked with.
type module struct {
	Path, Version string
	texts         []document // of its licences
	licences      []string   // SPDX, sorted
}

// licenceFile are the names of files that say under which terms a module may be used.
var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents$`)

// linked are the modules of all programs with their licences, sorted, and the standard
// library.
func linked(source string, programs []*program) ([]*module, error) {
	var all []*module
	for _, p := range programs {
		for _, d := range p.info.Deps {
			if d.Replace != nil {
				return nil, fmt.Errorf("%s is replaced", d.Path)
			}
			if !slices.ContainsFunc(all, func(m *module) bool { return m.Path == d.Path }) {
				all = append(all, &module{Path: d.Path, Version: d.Version})
			}
		}
	}
	slices.SortFunc(all, func(a, b *module) int { return strings.Compare(a.Path, b.Path) })
	dirs, err := folders(source)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if err := m.read(dirs[m.Path]); err != nil {
			return nil, err
		}
	}
	root, err := output(source, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	std := &module{Path: "std", Version: programs[0].info.GoVersion}
	return append(all, std), std.read(root)
}

// folders are those of the modules in the module cache.
func folders(source string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-m", "-json", "all")
	cmd.Dir, cmd.Stderr, cmd.Env = source, os.Stderr, environment()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	dirs := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return dirs, nil
		} else if err != nil {
			return nil, err
		}
		dirs[m.Path] = m.Dir
	}
}

// freetype may be used under the FTL or the GPL, by choice: the FTL.
const (
	freetype       = "github.com/golang/freetype"
	freetypeChoice = "your choice of exactly one"
	freetypeText   = "licenses/ftl.txt"
)

// read finds the licences in the folder of a module.
func (m *module) read(dir string) error {
	if dir == "" {
		return fmt.Errorf("%s is not in the module cache", m.Path)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, document{e.Name(), text})
		for _, found := range licensecheck.Scan(text).Match {
			if !found.IsURL && found.ID != "GooglePatentsFile" { // which only adds a grant
				m.licences = append(m.licences, found.ID)
			}
		}
	}
	if m.Path == freetype {
		text, err := os.ReadFile(filepath.Join(dir, freetypeText))
		if err != nil || len(m.texts) != 1 || !bytes.Contains(m.texts[0].data, []byte(freetypeChoice)) {
			return fmt.Errorf("%s has other terms now: read them (%v)", m.Path, err)
		}
		m.texts, m.licences = append(m.texts, document{freetypeText, text}), []string{"FTL"}
	}
	slices.Sort(m.licences)
	m.licences = slices.Compact(m.licences)
	return nil
}

// notices are the texts of all licences, each once.
func notices(modules []*module) []byte {
	var b bytes.Buffer
	b.WriteString("The program tracelens holds these modules, under these terms.\n")
	said := make(map[string]string)
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s\n%s %s (%s)\n", strings.Repeat("=", 80), m.Path, m.Version, strings.Join(m.licences, ", "))
		for _, t := range m.texts {
			if first, ok := said[string(t.data)]; ok {
				fmt.Fprintf(&b, "\n%s: as that of %s\n", t.name, first)
				continue
			}
			said[string(t.data)] = m.Path
			fmt.Fprintf(&b, "\n%s:\n\n%s\n", t.name, bytes.TrimSpace(t.data))
		}
	}
	return b.Bytes()
}

// billOfMaterials lists the modules as CycloneDX.
func billOfMaterials(info *buildinfo.BuildInfo, modules []*module, at time.Time) ([]byte, error) {
	purl := func(path, version string) string { return "pkg:golang/" + path + "@" + version }
	main := cyclonedx.Component{
		Type: cyclonedx.ComponentTypeApplication, Name: info.Main.Path, Version: info.Main.Version,
		BOMRef: purl(info.Main.Path, info.Main.Version), PackageURL: purl(info.Main.Path, info.Main.Version),
		Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "BSD-3-Clause"}}},
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: at.Format(time.RFC3339), Component: &main}
	var components []cyclonedx.Component
	var refs []string
	for _, m := range modules {
		c := cyclonedx.Component{
			Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
			BOMRef: purl(m.Path, m.Version), PackageURL: purl(m.Path, m.Version), Licenses: &cyclonedx.Licenses{},
		}
		for _, id := range m.licences {
			*c.Licenses = append(*c.Licenses, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
		}
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var b bytes.Buffer
	enc := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON)
	enc.SetPretty(true)
	err := enc.EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return b.Bytes(), err
}
