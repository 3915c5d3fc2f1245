// Command tokensmith issues, imports, assigns, synchronizes and verifies tokens for one-time passwords.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is that of the release. The linker adds the commit: v0.1.0+1a2b3c4.
var version = "v0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// errRefused ends a command whose call was refused. The reply was printed already.
var errRefused = errors.New("refused")

// exitCode prints an error, unless it was printed already, and returns the exit status.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if !errors.Is(err, errRefused) {
		fmt.Fprintln(stderr, "tokensmith:", err)
	}
	return 1
}

// env is the environment of a command. Tests replace it.
type env struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run runs one command line. It returns when the command is done or ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	e := &env{getenv, stdin, stdout, stderr}
	root := &cobra.Command{
		Use:   "tokensmith",
		Short: "One-time-password tokens: issue, import, assign, synchronise, verify",
		Long: "tokensmith serves the method envelope of the token API: POST /das5/rest/OBJECT/METHOD.\n" +
			"Every flag --some-flag can also be given as the environment variable TOKENSMITH_SOME_FLAG.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return flagsFromEnv(cmd.Flags(), getenv)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetVersionTemplate("tokensmith {{.Version}}\n")
	root.AddCommand(serveCommand(e), callCommand(e), importCommand(e), sampleCommand(e), batchCommand(e), adminCommand(e), userCommand(e), agentCommand(e), radiusCommand(e), auditCommand(e), methodsCommand(e),
		backupCommand(e), restoreCommand(e), checkCommand(e), keyCommand(e), migrateCommand(e), dumpCommand(e), loadCommand(e),
		completionCommand(e), manCommand(e), versionCommand(e))
	explain(root)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return lacking(cmd, err)
}

// flagsFromEnv sets flags that were not given from their environment variables.
func flagsFromEnv(flags *pflag.FlagSet, getenv func(string) string) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "TOKENSMITH_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if value := getenv(name); value != "" && !f.Changed && f.Name != "help" && f.Name != "version" {
			if e := flags.Set(f.Name, value); e != nil && err == nil {
				err = fmt.Errorf("%s: %w", name, e)
			}
		}
	})
	return err
}

func versionCommand(e *env) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { fmt.Fprintln(e.stdout, "tokensmith", version) }}
}
