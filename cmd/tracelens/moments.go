package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tracelens/tracelens/cmd/tracelens/internal/report"
)

// moment is a flag that takes a time since the start of the trace as Go writes it, 1.5s,
// or as reports print it, 13.114 ms.
type moment time.Duration

func (m *moment) Set(s string) error {
	d, err := parseMoment(s)
	if err == nil {
		*m = moment(d)
	}
	return err
}

func (m *moment) String() string { return time.Duration(*m).String() }
func (*moment) Type() string     { return "duration" }

func parseMoment(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return 0, fmt.Errorf("%q is no time: need one such as 1.5s or 13.114 ms", report.Clean(s))
	}
	return d, nil
}

// aroundMoment is how much of the trace --at takes on each side of a moment that has no
// length: a time slice (proc.go:forcePreemptNS).
const aroundMoment = 10 * time.Millisecond

// span is a flag that takes a moment with its length, as evidence has it: 13.114 ms
// +80.2 ms. It sets --from and --to.
type span struct{ from, to *time.Duration }

func (s span) Set(text string) error {
	at, length, long := strings.Cut(text, "+")
	from, err := parseMoment(at)
	if err != nil {
		return err
	}
	if !long {
		*s.from, *s.to = max(from-aroundMoment, 0), from+aroundMoment
		return nil
	}
	n, err := parseMoment(length)
	if err == nil && n <= 0 {
		err = errors.New("a stretch of the trace has a length")
	}
	*s.from, *s.to = from, from+n
	return err
}

func (span) String() string { return "" }
func (span) Type() string   { return "span" }

// window says which part of a trace to look at.
func (f *inputFlags) window(flags *pflag.FlagSet) {
	flags.Var((*moment)(&f.from), "from", "start at `TIME` after the start of the trace, such as 1.5s or '13.114 ms'")
	flags.Var((*moment)(&f.to), "to", "end at `TIME` after the start of the trace")
}

// at adds the flag for evidence that is pasted.
func (f *inputFlags) at(flags *pflag.FlagSet) {
	flags.Var(span{&f.from, &f.to}, "at", "--from and --to of a `MOMENT` as a report prints it: '13.114 ms +80.2 ms'")
}

// exclusive keeps --at from --from and --to.
func exclusive(cmd *cobra.Command) {
	cmd.MarkFlagsMutuallyExclusive("at", "from")
	cmd.MarkFlagsMutuallyExclusive("at", "to")
}
