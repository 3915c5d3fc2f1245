package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"
)

const (
	maxSample   = 100_000
	sampleFirst = 10_000_000 // serial number of the first token
)

func sampleCommand(e *env) *cobra.Command {
	var tokens int
	cmd := &cobra.Command{
		Use: "sample", Short: "Print a token file to try the import with", Args: cobra.NoArgs,
		Long: "Print a token file to try the import with: event-based tokens of the built-in product DN/SE in the vendor's XML format,\n" +
			"with serials from 10000000 on. Their seeds are the same for everybody: they protect nothing.",
		Example: "  tokensmith sample >seeds.xml\n  tokensmith import seeds.xml --db tokensmith.db",
		RunE: func(*cobra.Command, []string) error {
			if tokens < 1 || tokens > maxSample {
				return fmt.Errorf("--tokens must be from 1 to %d, not %d", maxSample, tokens)
			}
			out := bufio.NewWriter(e.stdout)
			fmt.Fprint(out, "<data>\n<header><manufacturerCode>DN</manufacturerCode><productCode>SE</productCode><encode>HEX</encode><encrypt>NONE</encrypt></header>\n<tokens>\n")
			for i := range tokens {
				// A seed is the first 14 bytes of the example in RFC 4226, and the number of the token.
				fmt.Fprintf(out, "<token><serial>%d</serial><seed>%x%012d</seed></token>\n", sampleFirst+i, "12345678901234", i)
			}
			fmt.Fprint(out, "</tokens>\n</data>\n")
			return out.Flush()
		},
	}
	cmd.Flags().IntVar(&tokens, "tokens", 10, "how many")
	return cmd
}
