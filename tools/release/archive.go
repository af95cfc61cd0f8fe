package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A program is what was built for a platform.
type program struct {
	platform string
	data     []byte
	info     *buildinfo.BuildInfo
}

// A document stands beside the program in its archive.
type document struct {
	name string
	data []byte
}

// documents are those of the source, and the licences of what is linked.
func documents(source string, modules []*module) (all []document, err error) {
	for _, name := range []string{"LICENSE", "README.md"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return nil, err
		}
		all = append(all, document{name, data})
	}
	return append(all, document{"THIRD_PARTY_LICENSES.txt", notices(modules)}), nil
}

// pack is the archive of a program and its name. All files have the time of the commit.
func (p *program) pack(version string, at time.Time, beside []document) (string, []byte, error) {
	base := fmt.Sprintf("tracelens_%s_%s", version, strings.ReplaceAll(p.platform, "/", "_"))
	var b bytes.Buffer
	if strings.HasPrefix(p.platform, "windows/") {
		z := zip.NewWriter(&b)
		for _, d := range append([]document{{"tracelens.exe", p.data}}, beside...) {
			w, err := z.CreateHeader(&zip.FileHeader{Name: base + "/" + d.name, Method: zip.Deflate, Modified: at})
			if err != nil {
				return "", nil, err
			}
			if _, err := w.Write(d.data); err != nil {
				return "", nil, err
			}
		}
		err := z.Close()
		return base + ".zip", b.Bytes(), err
	}
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for i, d := range append([]document{{"tracelens", p.data}}, beside...) {
		mode := int64(0o644)
		if i == 0 {
			mode = 0o755
		}
		if err := t.WriteHeader(&tar.Header{Name: base + "/" + d.name, Size: int64(len(d.data)), Mode: mode, ModTime: at}); err != nil {
			return "", nil, err
		}
		if _, err := t.Write(d.data); err != nil {
			return "", nil, err
		}
	}
	if err := t.Close(); err != nil {
		return "", nil, err
	}
	if err := z.Close(); err != nil {
		return "", nil, err
	}
	return base + ".tar.gz", b.Bytes(), nil
}
