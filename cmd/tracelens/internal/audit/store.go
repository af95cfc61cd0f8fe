package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tracelens/tracelens/analysis/fleet"
)

// A Store keeps Entries in a folder:
//
//	entries/KEY  an Entry; KEY is of the content of its file, the settings and the tool
//	files/KEY    the content that a path had at a size and time; KEY is of the path
//
// Each file is written whole or not at all, so a killed run leaves what it finished.
type Store struct {
	dir, settings, tool string
}

// OpenStore makes the folder where there is none.
func OpenStore(dir, settings, tool string) (*Store, error) {
	for _, sub := range []string{"entries", "files"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	return &Store{dir, settings, tool}, nil
}

// Digest tells lists of texts apart.
func Digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

func (s *Store) entry(hash string) string {
	return filepath.Join(s.dir, "entries", Digest(hash, s.settings, s.tool, fmt.Sprint(fleet.Schema)))
}

func (s *Store) file(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Join(s.dir, "files", Digest(path))
}

// stamp tells one state of a file from another.
type stamp struct {
	Size     int64
	Modified int64 // ns
	Hash     string
}

// Known returns the hash of a file that is as it was when it was read last, "" where
// that is not known.
func (s *Store) Known(path string, info fs.FileInfo) string {
	var was stamp
	data, err := os.ReadFile(s.file(path))
	if err != nil || json.Unmarshal(data, &was) != nil || was.Size != info.Size() || was.Modified != info.ModTime().UnixNano() {
		return ""
	}
	return was.Hash
}

// settled is how old a file must be for its time to tell a later change: file systems
// keep times as coarse as 2 s.
const settled = 3 * time.Second

// Get returns the Entry of a content, nil where there is none.
func (s *Store) Get(hash, path string) *fleet.Entry {
	data, err := os.ReadFile(s.entry(hash))
	if err != nil {
		return nil
	}
	e, err := fleet.Decode(data)
	if err != nil || e.Hash != hash || e.Settings != s.settings || e.Tool != s.tool {
		return nil // damaged: made again
	}
	e.Path, e.Trace.Name = path, path
	return e
}

// Put keeps an Entry, and the state of the file that it is of.
func (s *Store) Put(e *fleet.Entry, info fs.FileInfo) error {
	if err := WriteEntry(s.entry(e.Hash), e); err != nil {
		return err
	}
	return s.stamp(e.Path, e.Hash, info)
}

func (s *Store) stamp(path, hash string, info fs.FileInfo) error {
	if time.Since(info.ModTime()) < settled {
		return nil
	}
	data, err := json.Marshal(stamp{info.Size(), info.ModTime().UnixNano(), hash})
	if err != nil {
		return err
	}
	return writeWhole(s.file(path), data)
}

// Suffix is that of files with one Entry.
const Suffix = ".entry"

// Emit writes an Entry into a folder for fleet.Fleet to merge.
func Emit(dir string, e *fleet.Entry) error {
	return WriteEntry(filepath.Join(dir, Digest(e.Path, e.Hash)+Suffix), e)
}

// WriteEntry writes an Entry whole or not at all.
func WriteEntry(name string, e *fleet.Entry) error {
	var b bytes.Buffer
	if err := e.Encode(&b); err != nil {
		return err
	}
	return writeWhole(name, b.Bytes())
}

func writeWhole(name string, data []byte) error {
	temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".tmp-%x", rand.Uint64()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // before umask
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
