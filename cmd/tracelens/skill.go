package main

import (
	_ "embed"
	"io"

	"github.com/spf13/cobra"
)

//go:embed skill/SKILL.md
var skill string

func newSkill() *cobra.Command {
	return &cobra.Command{
		Use:   "skill",
		Short: "Print how an assistant reads a trace with this program (SKILL.md)",
		Long: `Skill prints SKILL.md: when to use this program, in which order, and how to read
what it says. Put it where an assistant looks for skills.`,
		Example: "  mkdir -p skills/tracelens && tracelens skill > skills/tracelens/SKILL.md",
		Args:    takes(0, 0, "argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := io.WriteString(cmd.OutOrStdout(), skill); err != nil {
				return &failure{"standard output", err}
			}
			return nil
		},
	}
}
