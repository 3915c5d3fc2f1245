package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func completionCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print a script that lets a shell complete command lines", Args: cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		Example:   "  tokensmith completion bash >/etc/bash_completion.d/tokensmith",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(e.stdout, true)
			case "zsh":
				return root.GenZshCompletion(e.stdout)
			case "fish":
				return root.GenFishCompletion(e.stdout, true)
			}
			return fmt.Errorf("there is no completion for %q, only for bash, zsh and fish", args[0])
		},
	}
}

func manCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "man [DIRECTORY]", Short: "Write the manual pages, one per command, or print the main one", Args: cobra.MaximumNArgs(1),
		Example: "  tokensmith man /usr/local/share/man/man1",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			date := time.Now()
			if s := e.getenv("SOURCE_DATE_EPOCH"); s != "" { // for reproducible builds
				seconds, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					return fmt.Errorf("SOURCE_DATE_EPOCH is not a number: %q", s)
				}
				date = time.Unix(seconds, 0).UTC()
			}
			header := &doc.GenManHeader{Title: "TOKENSMITH", Section: "1", Source: "tokensmith " + version, Manual: "tokensmith", Date: &date}
			if len(args) == 0 {
				return doc.GenMan(root, header, e.stdout)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			header.Title = "" // each page has its own
			return doc.GenManTree(root, header, args[0])
		},
	}
}
