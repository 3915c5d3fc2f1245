package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tokensmith/rpc"
)

func methodsCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "methods", Short: "List every method", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
			for _, m := range rpc.Methods() {
				fmt.Fprintf(w, "%s\t%s\n", m.Path, m.About)
			}
			return w.Flush()
		},
	}
}
