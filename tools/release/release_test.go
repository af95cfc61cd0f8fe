package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the list of linked modules")

// allowed are licences that let a program be passed on in any way if their texts, and
// the names of those who made it, come with it.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "FTL", "ISC", "MIT", "OFL-1.1", "Unlicense"}

// linkedModules are the modules of the packages that the program imports, on any
// platform of a release.
func linkedModules(t *testing.T) (all []*module) {
	t.Helper()
	dirs := make(map[string]string)
	for _, platform := range platforms {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/tracelens")
		cmd.Dir, cmd.Stderr = "../..", os.Stderr
		cmd.Env = append(environment(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if m := p.Module; m != nil && !m.Main && dirs[m.Path] == "" {
				dirs[m.Path] = m.Dir
				all = append(all, &module{Path: m.Path, Version: m.Version})
			}
		}
	}
	slices.SortFunc(all, func(a, b *module) int { return strings.Compare(a.Path, b.Path) })
	for _, m := range all {
		if err := m.read(dirs[m.Path]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestLicences: every module in the program may be passed on, and a new one is a line
// in the list.
func TestLicences(t *testing.T) {
	var b strings.Builder
	for _, m := range linkedModules(t) {
		fmt.Fprintf(&b, "%s  %s\n", m.Path, strings.Join(m.licences, " "))
		for _, fault := range faults(m) {
			t.Error(fault)
		}
	}
	const list = "testdata/linked-modules.txt"
	if *update {
		if err := os.WriteFile(list, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the program is linked with\n%s%s says\n%s(-update rewrites it)", b.String(), list, want)
	}
}

// faults are the reasons for which a module may not be in the program.
func faults(m *module) (all []string) {
	if len(m.texts) == 0 || len(m.licences) == 0 {
		all = append(all, m.Path+" has no licence that is recognised")
	}
	for _, id := range m.licences {
		if !slices.Contains(allowed, id) {
			all = append(all, fmt.Sprintf("%s is under %s, which is not allowed", m.Path, id))
		}
	}
	return all
}

// TestPack: the same program gives the same archive, which holds it and has no other
// time than the commit's.
func TestPack(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	beside := []document{{"LICENSE", []byte("as you like")}}
	for platform, want := range map[string]string{"linux/amd64": "tracelens_v1_linux_amd64.tar.gz", "windows/arm64": "tracelens_v1_windows_arm64.zip"} {
		p := &program{platform: platform, data: []byte("program")}
		name, first, err := p.pack("v1", at, beside)
		_, second, err2 := p.pack("v1", at, beside)
		if err != nil || err2 != nil || name != want || !bytes.Equal(first, second) {
			t.Errorf("%s, want %s; the same: %v; %v, %v", name, want, bytes.Equal(first, second), err, err2)
		}
		holds := make(map[string]time.Time)
		if strings.HasSuffix(name, ".zip") {
			z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range z.File {
				holds[f.Name] = f.Modified.UTC()
			}
		} else {
			z, err := gzip.NewReader(bytes.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			for r := tar.NewReader(z); ; {
				h, err := r.Next()
				if err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				holds[h.Name] = h.ModTime.UTC()
			}
		}
		base, _, _ := strings.Cut(name, ".")
		program := base + "/tracelens"
		if strings.HasPrefix(platform, "windows") {
			program += ".exe"
		}
		if len(holds) != 2 || !holds[program].Equal(at) || !holds[base+"/LICENSE"].Equal(at) {
			t.Errorf("%s holds %v", name, holds)
		}
	}
}

// TestFaults: the check can fail.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	bare := &module{Path: "bare"}
	if err := bare.read(dir); err != nil || len(faults(bare)) == 0 {
		t.Errorf("a module without licence: %v, %q", err, faults(bare))
	}
	gpl := "This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.\n"
	if err := os.WriteFile(dir+"/LICENSE", []byte(gpl), 0o666); err != nil {
		t.Fatal(err)
	}
	copyleft := &module{Path: "copyleft"}
	if err := copyleft.read(dir); err != nil || len(faults(copyleft)) == 0 {
		t.Errorf("a module under the GPL: %v, %q", err, faults(copyleft))
	}
}

// TestNotices: each module has its licences, or says whose they equal.
func TestNotices(t *testing.T) {
	modules := []*module{
		{Path: "a", Version: "v1", licences: []string{"MIT"}, texts: []document{{"LICENSE", []byte("Copyright A\n")}}},
		{Path: "b", Version: "v2", licences: []string{"MIT"}, texts: []document{{"LICENSE", []byte("Copyright A\n")}, {"NOTICE", []byte("by B\n")}}},
	}
	text := string(notices(modules))
	for _, want := range []string{"a v1 (MIT)", "\n\nCopyright A\n", "b v2 (MIT)", "LICENSE: as that of a", "by B"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there once in\n%s", want, text)
		}
	}
}

// TestDeb: the package is the same twice, and what dpkg takes, where it is installed.
func TestDeb(t *testing.T) {
	at := time.Unix(1_700_000_001, 0).UTC()
	p := &program{platform: "linux/arm64", data: []byte("program")}
	more := []file{{"usr/share/man/man1/tracelens.1.gz", 0o644, []byte("page!")}}
	name, first, err := p.deb("v1.2.3-0.20261129-abc", at, more, []byte("as you like"))
	_, second, err2 := p.deb("v1.2.3-0.20261129-abc", at, more, []byte("as you like"))
	if err != nil || err2 != nil || !bytes.Equal(first, second) || name != "tracelens_1.2.3~0.20261129~abc_arm64.deb" {
		t.Fatalf("%s, the same: %v; %v, %v", name, bytes.Equal(first, second), err, err2)
	}
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, first, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := exec.Command(dpkg, "--info", path).CombinedOutput()
	if err != nil || !strings.Contains(string(info), "Version: 1.2.3~0.20261129~abc") || !strings.Contains(string(info), "Architecture: arm64") {
		t.Errorf("%v\n%s", err, info)
	}
	list, err := exec.Command(dpkg, "--contents", path).CombinedOutput()
	if err != nil || !strings.Contains(string(list), "-rwxr-xr-x root/root         7 2023-11-14 ") || !strings.Contains(string(list), "./usr/share/man/man1/tracelens.1.gz") {
		t.Errorf("%v\n%s", err, list)
	}
	out := t.TempDir()
	if said, err := exec.Command(dpkg, "--extract", path, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if data, err := os.ReadFile(filepath.Join(out, "usr/bin/tracelens")); err != nil || string(data) != "program" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestHomebrew: the formula names each archive with its sum, and a missing one is an error.
func TestHomebrew(t *testing.T) {
	archives := make(map[string][]byte)
	for _, platform := range []string{"darwin_arm64", "darwin_amd64", "linux_arm64", "linux_amd64"} {
		archives["tracelens_v1.2.3_"+platform+".tar.gz"] = []byte(platform)
	}
	text, err := homebrew("v1.2.3", archives)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range archives {
		if want := fmt.Sprintf("/releases/download/v1.2.3/%s\"\n      sha256 \"%x\"", name, sha256.Sum256(data)); !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if !strings.Contains(string(text), `version "1.2.3"`) || strings.Count(string(text), "\n    on_") != 4 {
		t.Errorf("%s", text)
	}
	delete(archives, "tracelens_v1.2.3_linux_arm64.tar.gz")
	if _, err := homebrew("v1.2.3", archives); err == nil {
		t.Error("an archive that is not there is in the formula")
	}
}

// TestExtras: each command has its page, and each shell its completion.
func TestExtras(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	files, err := extras(filepath.Join("..", ".."), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.path)
		if len(f.data) < 100 {
			t.Errorf("%s has %d bytes", f.path, len(f.data))
		}
	}
	for _, want := range []string{"usr/share/man/man1/tracelens.1.gz", "usr/share/man/man1/tracelens-analyze.1.gz", "usr/share/bash-completion/completions/tracelens", "usr/share/zsh/vendor-completions/_tracelens"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %q", want, names)
		}
	}
}
