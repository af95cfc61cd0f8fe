// Command release makes the files of a release from the commit that is checked out: the
// program for each platform in an archive, packages for Debian, a formula for Homebrew,
// the licences of what is in it, a list of its modules (CycloneDX), and the sums of all
// files. The same commit and Go give the same
// bytes, whatever the folder, the machine and its settings.
//
//	go -C tools run ./release [-o DIR] [-again]
//
// With -again it builds the program for this platform once more, from another folder
// and without what the first build left, and fails when a byte differs.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	out := flag.String("o", "../dist", "write into `DIR`")
	again := flag.Bool("again", false, "build for this platform twice and compare")
	flag.Parse()
	if err := release(*out, *again); err != nil {
		log.Fatal(err)
	}
}

func release(out string, again bool) error {
	temp, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	// A clone has the commit only: what is changed and not committed is no part of a release.
	source, err := clone(filepath.Join(temp, "source"))
	if err != nil {
		return err
	}
	changed, err := output("..", "git", "status", "--porcelain", ".")
	if err != nil {
		return err
	}
	if changed != "" {
		log.Printf("not committed, so not in it:\n%s", changed)
	}
	seconds, err := output(source, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	var unix int64
	if _, err := fmt.Sscan(seconds, &unix); err != nil {
		return err
	}
	at := time.Unix(unix, 0).UTC()

	files := make(map[string][]byte)
	var programs []*program
	for _, platform := range platforms {
		data, err := build(source, platform)
		if err != nil {
			return err
		}
		info, err := buildinfo.Read(bytes.NewReader(data))
		if err != nil {
			return err
		}
		programs = append(programs, &program{platform, data, info})
		log.Printf("%s: %d bytes", platform, len(data))
	}
	modules, err := linked(source, programs)
	if err != nil {
		return err
	}
	beside, err := documents(source, modules)
	if err != nil {
		return err
	}
	version := programs[0].info.Main.Version
	more, err := extras(source, temp)
	if err != nil {
		return err
	}
	var licences bytes.Buffer
	for _, d := range beside {
		if d.name != "README.md" {
			licences.Write(d.data)
			licences.WriteByte('\n')
		}
	}
	for _, p := range programs {
		name, archive, err := p.pack(version, at, beside)
		if err != nil {
			return err
		}
		files[name] = archive
		if strings.HasPrefix(p.platform, "linux/") {
			name, pkg, err := p.deb(version, at, more, licences.Bytes())
			if err != nil {
				return err
			}
			files[name] = pkg
		}
	}
	if files["tracelens.rb"], err = homebrew(version, files); err != nil {
		return err
	}
	bom, err := billOfMaterials(programs[0].info, modules, at)
	if err != nil {
		return err
	}
	files["tracelens_"+version+".cdx.json"] = bom
	var sums bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	files["SHA256SUMS"] = sums.Bytes()

	if again {
		if err := compare(temp, programs); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(out, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// clone makes a copy of the commit that is checked out.
func clone(dir string) (string, error) {
	top, err := output(".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	_, err = output(".", "git", "-c", "advice.detachedHead=false", "clone", "--quiet", top, dir)
	return dir, err
}

// compare builds the program for this platform elsewhere and from nothing.
func compare(temp string, programs []*program) error {
	source, err := clone(filepath.Join(temp, "at another depth", "again"))
	if err != nil {
		return err
	}
	here := runtime.GOOS + "/" + runtime.GOARCH
	i := slices.IndexFunc(programs, func(p *program) bool { return p.platform == here })
	if i < 0 {
		return fmt.Errorf("-again: there is no release for %s", here)
	}
	second, err := build(source, here, "GOCACHE="+filepath.Join(temp, "cache"))
	if err != nil {
		return err
	}
	if !bytes.Equal(programs[i].data, second) {
		return fmt.Errorf("%s: %x and, built again from %s, %x", here, sha256.Sum256(programs[i].data), source, sha256.Sum256(second))
	}
	log.Printf("%s: built again, the same: %x", here, sha256.Sum256(second))
	return nil
}

// build is the program for a platform. The settings of the machine do not count.
func build(source, platform string, more ...string) ([]byte, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", "tracelens.release", "./cmd/tracelens")
	cmd.Dir, cmd.Stderr = source, os.Stderr
	cmd.Env = append(environment(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Env = append(cmd.Env, more...)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build for %s: %w", platform, err)
	}
	file := filepath.Join(source, "tracelens.release")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return data, os.Remove(file) // an untracked file makes the next build a modified one
}

// environment is that of this process without what changes a build.
func environment() []string {
	const micro = "GOAMD64 GOARM64 GOEXPERIMENT GOFIPS140 GOWORK GOENV"
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(strings.Fields(micro), name)
	})
	return append(env, "GOFLAGS=", "GOENV=off", "GOWORK=off")
}

// output is what a command prints, without the line's end.
func output(dir string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
