package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// checkArguments makes every verb say in its own words what it lacks or does not take.
func checkArguments(cmd *cobra.Command) {
	for _, verb := range cmd.Commands() {
		checkArguments(verb)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		path, takes := strings.TrimPrefix(cmd.CommandPath(), "biggan "), positional(cmd)
		switch {
		case len(args) == 0 && takes != "":
			return argumentsError{cmd, fmt.Sprintf("%s needs %s", path, takes)}
		case takes != "":
			return argumentsError{cmd, fmt.Sprintf("%s takes %s alone: got %q", path, takes, args)}
		}
		return argumentsError{cmd, fmt.Sprintf("%s takes flags alone: got %q", path, args)}
	}
}

// positional is what a verb takes before its flags, as its line of use names it.
func positional(cmd *cobra.Command) string {
	_, rest, _ := strings.Cut(cmd.Use, " ")
	var words []string
	for _, word := range strings.Fields(rest) {
		if strings.HasPrefix(strings.TrimLeft(word, "["), "-") {
			break
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// argumentsError is a verb with too few or too many arguments.
type argumentsError struct {
	cmd  *cobra.Command
	text string
}

func (e argumentsError) Error() string { return e.text }

// Hint is the verb's first example.
func (e argumentsError) Hint() string {
	example, _, _ := strings.Cut(strings.TrimSpace(e.cmd.Example), "\n")
	if example == "" {
		return helpOf(e.cmd)
	}
	return fmt.Sprintf("for example: `%s`; %s", example, helpOf(e.cmd))
}

// helpOf says where a verb's flags are listed.
func helpOf(cmd *cobra.Command) string {
	if cmd == nil || !cmd.HasParent() || cmd.Name() == "help" {
		return "`biggan help` lists the verbs"
	}
	return fmt.Sprintf("`biggan help %s` lists what it takes", strings.TrimPrefix(cmd.CommandPath(), "biggan "))
}
