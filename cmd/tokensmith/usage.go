package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explain makes every command report errors in a command line together with its usage.
func explain(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(flagError)
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return argsError(cmd, given, err)
			}
			return nil
		}
	}
	if cmd.HasParent() && cmd.HasSubCommands() {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return withUsage(cmd, fmt.Sprintf("unknown command %q for %q%s", args[0], cmd.CommandPath(), didYouMean(suggested(args[0], cmd.Commands()))))
		}
	}
	for _, sub := range cmd.Commands() {
		explain(sub)
	}
}

// argsError names the missing arguments, or the first superfluous one.
func argsError(cmd *cobra.Command, given []string, err error) error {
	var needed []string
	takes := 0
	for _, name := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(name, "--") {
			break // a required flag, which Use shows
		}
		if takes++; !strings.HasPrefix(name, "[") {
			needed = append(needed, name)
		}
	}
	switch {
	case len(given) < len(needed):
		return withUsage(cmd, "missing: "+strings.Join(needed[len(given):], " "))
	case len(given) > takes:
		return withUsage(cmd, fmt.Sprintf("not expected: %q", given[takes]))
	}
	return withUsage(cmd, err.Error())
}

// lacking replaces cobra's error for missing flags by one with our wording.
func lacking(cmd *cobra.Command, err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "required flag(s) ") {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			names = append(names, "--"+f.Name)
		}
	})
	return withUsage(cmd, "missing: "+strings.Join(names, " "))
}

// flagError suggests flags that are similar to an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return withUsage(cmd, err.Error())
	}
	var flags []*cobra.Command
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags = append(flags, &cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	names := suggested(unknown.GetSpecifiedName(), flags)
	for i := range names {
		names[i] = "--" + names[i]
	}
	return withUsage(cmd, err.Error()+didYouMean(names))
}

// suggested returns the names that are similar to a name.
func suggested(name string, among []*cobra.Command) []string {
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, cmd := range among {
		all.AddCommand(&cobra.Command{Use: cmd.Name(), Run: func(*cobra.Command, []string) {}})
	}
	return all.SuggestionsFor(name)
}

func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// withUsage returns an error with the usage of a command.
func withUsage(cmd *cobra.Command, what string) error {
	usage := cmd.UseLine()
	if cmd.HasSubCommands() {
		usage = cmd.CommandPath() + " COMMAND"
	}
	return fmt.Errorf("%s\nusage: %s\n%s --help says more", what, usage, cmd.CommandPath())
}
