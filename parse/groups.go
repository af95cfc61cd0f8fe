package parse

import "strings"

// Group returns the name that stands for those like a task's, a region's or a log
// category's: with # for each number in it, "req-#" for "req-4711". It is the name itself
// where it has none.
func (s *Symbols) Group(name StringID) StringID {
	if int(name) < len(s.groups) && s.groups[name] != 0 {
		return s.groups[name]
	}
	return name
}

// GroupNames returns how many names the trace tells for each Group.
func (s *Symbols) GroupNames() map[StringID]int64 {
	n := make(map[StringID]int64)
	for _, g := range s.groups {
		if g != 0 {
			n[g]++
		}
	}
	return n
}

// learnGroup finds the Group of a name.
func (s *Symbols) learnGroup(name StringID) {
	if int(name) < len(s.groups) && s.groups[name] != 0 {
		return
	}
	g := s.intern(numberless(s.strings[name]))
	if more := len(s.strings) - len(s.groups); more > 0 {
		s.groups = append(s.groups, make([]StringID, more)...)
	}
	s.groups[name] = g
}

// numberless puts # for what is most likely a number: a run of digits, or a word of hex
// digits as ids are written, of four or more with a digit among them.
func numberless(name string) string {
	if !strings.ContainsAny(name, "0123456789") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		end := i
		hex, digits := true, 0
		for end < len(name) && isAlnum(name[end]) {
			c := name[end]
			if isDigit(c) {
				digits++
			} else if c|0x20 < 'a' || c|0x20 > 'f' {
				hex = false
			}
			end++
		}
		switch {
		case end == i:
			b.WriteByte(name[i])
			end++
		case hex && digits > 0 && end-i >= 4:
			b.WriteByte('#')
		default:
			for k := i; k < end; k++ {
				if !isDigit(name[k]) {
					b.WriteByte(name[k])
				} else if k == i || !isDigit(name[k-1]) {
					b.WriteByte('#')
				}
			}
		}
		i = end
	}
	return b.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlnum(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
