package main

import (
	"os"
	"path/filepath"
)

// saved is a file that gets a copy of the input, and appears when all of it is there.
type saved struct {
	name string
	temp *os.File
	n    int64
	err  error // of a write; the input goes on
}

func newSaved(name string) (*saved, error) {
	temp, err := os.CreateTemp(filepath.Dir(name), ".tracelens-*.tmp")
	return &saved{name: name, temp: temp}, err
}

// Write never fails, so that what cannot be saved can be analysed.
func (s *saved) Write(p []byte) (int, error) {
	if s.err == nil {
		n, err := s.temp.Write(p)
		s.n += int64(n)
		s.err = err
	}
	return len(p), nil
}

// keep gives the file its name, also where the input is not whole; an empty one is
// nothing to keep.
func (s *saved) keep() error {
	if err := s.temp.Close(); s.err == nil {
		s.err = err
	}
	if s.err != nil || s.n == 0 {
		return s.err
	}
	if err := os.Chmod(s.temp.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(s.temp.Name(), s.name)
}

// discard removes what was not kept.
func (s *saved) discard() {
	s.temp.Close()
	os.Remove(s.temp.Name())
}
