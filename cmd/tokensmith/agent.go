package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func agentCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "agent", Short: "Make, list and disable API agents, the programs that call methods, and " +
		"give them certificates and new secrets"}
	cmd.AddCommand(agentCreateCommand(e), agentListCommand(e), agentDisableCommand(e), agentRotateCommand(e), agentCertificateCommand(e))
	return cmd
}

// callFor calls a method in-process and decodes its result.
func (e *env) callFor(cmd *cobra.Command, d *database, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	reply, err := e.callHere(cmd.Context(), d, method, text)
	if err != nil {
		return err
	}
	return resultOf(reply, result)
}

// resultOf decodes the result of a reply, or returns its error.
func resultOf(reply []byte, result any) error {
	var envelope struct {
		Error   int
		Message string
		Result  json.RawMessage
	}
	if err := json.Unmarshal(reply, &envelope); err != nil {
		return err
	}
	if envelope.Error != 0 {
		return errors.New(envelope.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(envelope.Result, result)
}

func agentCreateCommand(e *env) *cobra.Command {
	var d database
	var permissions, domains, addresses []string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "create NAME --permissions METHODS", Short: "Make an agent; its client secret is shown only once", Args: cobra.ExactArgs(1),
		Example: `  tokensmith agent create batch --permissions 'token/*,auth/verify' --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var made struct {
				ClientID     string `json:"clientId"`
				ClientSecret string `json:"clientSecret"`
			}
			params := map[string]any{"attrs": map[string]any{"name": args[0], "permissions": permissions, "domains": domains, "addresses": addresses}}
			if err := e.callFor(cmd, &d, "agent/create", params, &made); err != nil {
				return err
			}
			if asJSON {
				text, err := json.Marshal(made)
				if err != nil {
					return err
				}
				fmt.Fprintln(e.stdout, string(text))
				return nil
			}
			fmt.Fprintf(e.stdout, "client id      %s\nclient secret  %s\n", made.ClientID, made.ClientSecret)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringSliceVar(&permissions, "permissions", nil, "what it may call: method, object/*, role:NAME, or *")
	cmd.Flags().StringSliceVar(&domains, "domains", nil, "names of the domains it is limited to; none = all")
	cmd.Flags().StringSliceVar(&addresses, "addresses", nil, "CIDR ranges it calls from; none = any")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagRequired("permissions")
	return cmd
}

// agentRow is a row of the output of agent list.
type agentRow struct {
	Name        string   `json:"name"`
	ClientID    string   `json:"clientId"`
	Status      string   `json:"status"`
	Permissions []string `json:"permissions"`
	DateCreated string   `json:"dateCreated"`
	LastUsed    *string  `json:"lastUsed"`
}

func agentListCommand(e *env) *cobra.Command {
	var d database
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the agents", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found struct{ Rows []agentRow }
			params := map[string]any{"sort": "name", "return": []string{"name", "clientId", "status", "permissions", "dateCreated", "lastUsed"}}
			if err := e.callFor(cmd, &d, "agent/search", params, &found); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(found.Rows)
			}
			w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tCLIENT ID\tSTATUS\tPERMISSIONS\tCREATED")
			for _, a := range found.Rows {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.ClientID, a.Status, strings.Join(a.Permissions, ","), a.DateCreated)
			}
			return w.Flush()
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func agentDisableCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "disable NAME", Short: "Disable an agent: its calls are refused from now on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.callFor(cmd, &d, "agent/set", map[string]any{
				"agent": map[string]any{"name": args[0]}, "attrs": map[string]any{"status": "DISABLED"}}, nil)
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}
