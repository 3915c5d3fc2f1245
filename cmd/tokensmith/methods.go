package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tokensmith/rpc"
	"tokensmith/rpc/apidoc"
	"tokensmith/rpc/wire"
)

func methodsCommand(e *env) *cobra.Command {
	var short, openAPI, errors bool
	cmd := &cobra.Command{
		Use: "methods [METHOD|OBJECT]...", Short: "List every method with its parameters and an example, or those named",
		Long: "List every method with its parameters and an example, or those named: token/create, or token for all of its methods.\n" +
			"A running server shows the same as a page, at /methods, and as an OpenAPI document, at /openapi.json.",
		Example: "  tokensmith methods token/create\n  tokensmith methods --short\n  tokensmith methods --errors\n  tokensmith methods --openapi >openapi.json",
		RunE: func(_ *cobra.Command, args []string) error {
			if errors {
				return e.listErrors()
			}
			if openAPI {
				text, err := rpc.OpenAPI("/das5/rest", version)
				if err != nil {
					return err
				}
				fmt.Fprintln(e.stdout, string(text))
				return nil
			}
			return e.listMethods(args, short)
		},
	}
	cmd.Flags().BoolVar(&short, "short", false, "one line a method")
	cmd.Flags().BoolVar(&openAPI, "openapi", false, "print the OpenAPI 3.1 document of all of them")
	cmd.Flags().BoolVar(&errors, "errors", false, "list the error codes instead, each with its meaning")
	return cmd
}

// listErrors prints all error codes.
func (e *env) listErrors() error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CODE\tHTTP\tMEANING")
	for _, info := range wire.Errors() {
		status := ""
		if info.Status != http.StatusOK {
			status = strconv.Itoa(info.Status)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", info.Code, status, info.Meaning)
	}
	return w.Flush()
}

func (e *env) listMethods(args []string, short bool) error {
	out := bufio.NewWriter(e.stdout)
	found := map[string]bool{}
	for _, m := range rpc.Methods() {
		object, _, _ := strings.Cut(m.Path, "/")
		named := len(args) == 0
		for _, a := range args {
			if a = strings.TrimPrefix(a, "/"); a == m.Path || a == object {
				named, found[a] = true, true
			}
		}
		switch {
		case !named:
		case short:
			fmt.Fprintf(out, "%-40s %s\n", m.Path, m.About)
		default:
			describeMethod(out, &m)
		}
	}
	for _, a := range args {
		if a = strings.TrimPrefix(a, "/"); !found[a] {
			return fmt.Errorf("there is no method %q", a)
		}
	}
	return out.Flush()
}

func describeMethod(out *bufio.Writer, m *apidoc.MethodInfo) {
	fmt.Fprintf(out, "%s\n    %s\n", m.Path, m.About)
	if m.Reveals {
		fmt.Fprintln(out, "    Reveals a secret: only the permission of exactly this name, or *, allows it.")
	}
	if m.Device {
		fmt.Fprintln(out, "    Called by the device; needs no agent.")
	}
	for _, p := range m.Parameters {
		notes := p.About
		if p.Required {
			notes = strings.TrimSuffix("required; "+notes, "; ")
		}
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("      %-28s %-12s %s", p.Name, p.Type, notes), " "))
	}
	fmt.Fprintf(out, "    tokensmith call %s '%s' ...\n\n", m.Path, m.Example)
}
