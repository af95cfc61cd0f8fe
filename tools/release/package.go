package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5" // what a Debian package has
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

// A file is one of a package, by its path below the root.
type file struct {
	path string
	mode int64
	data []byte
}

// extras are the manual pages and shell completions, made by the source for the machine
// at hand: they are the same for all.
func extras(source, temp string) (files []file, err error) {
	man := filepath.Join(temp, "man")
	if err := os.MkdirAll(man, 0o777); err != nil {
		return nil, err
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", append([]string{"run", "-trimpath", "./cmd/tracelens"}, args...)...)
		cmd.Dir, cmd.Stderr, cmd.Env = source, os.Stderr, environment()
		return cmd.Output()
	}
	if _, err := run("man", man); err != nil {
		return nil, fmt.Errorf("manual pages: %w", err)
	}
	pages, err := os.ReadDir(man)
	if err != nil {
		return nil, err
	}
	for _, p := range pages {
		text, err := os.ReadFile(filepath.Join(man, p.Name()))
		if err != nil {
			return nil, err
		}
		zipped, err := compressed(text)
		if err != nil {
			return nil, err
		}
		files = append(files, file{"usr/share/man/man1/" + p.Name() + ".gz", 0o644, zipped})
	}
	for shell, to := range map[string]string{
		"bash": "usr/share/bash-completion/completions/tracelens", "zsh": "usr/share/zsh/vendor-completions/_tracelens", "fish": "usr/share/fish/vendor_completions.d/tracelens.fish",
	} {
		text, err := run("completion", shell)
		if err != nil {
			return nil, fmt.Errorf("completion for %s: %w", shell, err)
		}
		files = append(files, file{to, 0o644, text})
	}
	return files, nil
}

// compressed is data in gzip, without a time.
func compressed(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

// debVersion is a version as Debian orders them: a pseudo-version or a pre-release comes
// before what it precedes.
func debVersion(version string) string {
	v := strings.TrimPrefix(version, "v")
	return strings.NewReplacer("-", "~", "(", "", ")", "").Replace(v)
}

// deb is the Debian package of a program for linux, and its name.
func (p *program) deb(version string, at time.Time, more []file, licences []byte) (string, []byte, error) {
	arch := strings.TrimPrefix(p.platform, "linux/")
	files := append(slices.Clone(more), file{"usr/bin/tracelens", 0o755, p.data}, file{"usr/share/doc/tracelens/copyright", 0o644, licences})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	size := 0
	var sums strings.Builder
	for _, f := range files {
		size += len(f.data)
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.data), f.path)
	}
	control := fmt.Sprintf(`Package: tracelens
Version: %s
Architecture: %s
Maintainer: The tracelens authors <maintainers@tracelens.invalid>
Section: devel
Priority: optional
Installed-Size: %d
Homepage: https://github.com/tracelens/tracelens
Description: says what is wrong in a Go execution trace, with proof
 Reads traces of runtime/trace, the flight recorder and /debug/pprof/trace, and
 reports what limits a program, what it costs and where, in text, pictures and
 formats for programs.
`, debVersion(version), arch, (size+1023)/1024)
	meta, err := tarball([]file{{"control", 0o644, []byte(control)}, {"md5sums", 0o644, []byte(sums.String())}}, at)
	if err != nil {
		return "", nil, err
	}
	data, err := tarball(files, at)
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, m := range []file{{"debian-binary", 0o100644, []byte("2.0\n")}, {"control.tar.gz", 0o100644, meta}, {"data.tar.gz", 0o100644, data}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.path, at.Unix(), 0, 0, m.mode, len(m.data))
		b.Write(m.data)
		if len(m.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return fmt.Sprintf("tracelens_%s_%s.deb", debVersion(version), arch), b.Bytes(), nil
}

// tarball holds files of root, with the folders above them.
func tarball(files []file, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	made := make(map[string]bool)
	var folders func(dir string) error
	folders = func(dir string) error {
		if made[dir] {
			return nil
		}
		made[dir] = true
		name := "./"
		if dir != "." {
			if err := folders(path.Dir(dir)); err != nil {
				return err
			}
			name = "./" + dir + "/"
		}
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: at, Uname: "root", Gname: "root"})
	}
	for _, f := range files {
		if err := folders(path.Dir(f.path)); err != nil {
			return nil, err
		}
		if err := t.WriteHeader(&tar.Header{Name: "./" + f.path, Size: int64(len(f.data)), Mode: f.mode, ModTime: at, Uname: "root", Gname: "root"}); err != nil {
			return nil, err
		}
		if _, err := t.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return compressed(b.Bytes())
}

var formula = template.Must(template.New("formula").Parse(`class Tracelens < Formula
  desc "Says what is wrong in a Go execution trace, with proof"
  homepage "https://github.com/tracelens/tracelens"
  version "{{.Version}}"
  license "BSD-3-Clause"
{{range .Systems}}
  on_{{.Name}} do
{{- range .Archives}}
    on_{{.CPU}} do
      url "https://github.com/tracelens/tracelens/releases/download/{{$.Tag}}/{{.File}}"
      sha256 "{{.Sum}}"
    end
{{- end}}
  end
{{end}}
  def install
    bin.install "tracelens"
    generate_completions_from_executable(bin/"tracelens", "completion")
    system bin/"tracelens", "man", buildpath/"man"
    man1.install Dir["man/*.1"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tracelens version")
    assert_match "no such file", shell_output("#{bin}/tracelens none.trace 2>&1", 3)
  end
end
`))

// homebrew is the formula that installs the archives, by their names.
func homebrew(version string, archives map[string][]byte) ([]byte, error) {
	type archive struct{ CPU, File, Sum string }
	type system struct {
		Name     string
		Archives []archive
	}
	var systems []system
	for _, s := range []struct{ brew, goos string }{{"macos", "darwin"}, {"linux", "linux"}} {
		one := system{Name: s.brew}
		for _, c := range []struct{ brew, goarch string }{{"arm", "arm64"}, {"intel", "amd64"}} {
			name := fmt.Sprintf("tracelens_%s_%s_%s.tar.gz", version, s.goos, c.goarch)
			data, ok := archives[name]
			if !ok {
				return nil, fmt.Errorf("homebrew: there is no %s", name)
			}
			one.Archives = append(one.Archives, archive{c.brew, name, fmt.Sprintf("%x", sha256.Sum256(data))})
		}
		systems = append(systems, one)
	}
	var b bytes.Buffer
	err := formula.Execute(&b, map[string]any{"Version": strings.TrimPrefix(version, "v"), "Tag": version, "Systems": systems})
	return b.Bytes(), err
}
