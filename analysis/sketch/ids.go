package sketch

import "slices"

// idsLen is how many ids are kept: the share that two sets have in common is then
// known within about 0.09 (one standard error).
const idsLen = 32

// IDs is a sample of a set of ids: those with the smallest hashes. The zero value is
// the empty set. Merging gives the sample of the union, exactly.
type IDs struct {
	n      int
	hashes [idsLen]uint64 // ascending
}

// Add adds an id to the set.
func (s *IDs) Add(id uint64) { s.add(hashID(id)) }

func (s *IDs) add(h uint64) {
	if s.n == idsLen && h >= s.hashes[idsLen-1] {
		return
	}
	i := s.place(h)
	if i < s.n && s.hashes[i] == h {
		return
	}
	s.n = min(s.n+1, idsLen)
	copy(s.hashes[i+1:s.n], s.hashes[i:])
	s.hashes[i] = h
}

// place is where h is, or belongs. It is looked for at every wait, so without a function
// that compares.
func (s *IDs) place(h uint64) int {
	at := uint(0)
	for n := uint(s.n); n > 0; {
		half := n / 2
		if s.hashes[(at+half)%idsLen] < h {
			at += half + 1
			n -= half + 1
		} else {
			n = half
		}
	}
	return int(at)
}

// Merge adds the other set.
func (s *IDs) Merge(o *IDs) {
	for _, h := range o.hashes[:o.n] {
		s.add(h)
	}
}

// Len is the number of ids in the set, or the largest number that is kept.
func (s *IDs) Len() int { return s.n }

// Common is about the share of the ids in both sets in those in either.
func (s *IDs) Common(o *IDs) float64 {
	union := *s
	union.Merge(o)
	if union.n == 0 {
		return 0
	}
	both := 0
	for _, h := range union.hashes[:union.n] {
		_, in := slices.BinarySearch(s.hashes[:s.n], h)
		_, also := slices.BinarySearch(o.hashes[:o.n], h)
		if in && also {
			both++
		}
	}
	return float64(both) / float64(union.n)
}

// hashID is a bijection (the finalizer of MurmurHash3).
func hashID(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
