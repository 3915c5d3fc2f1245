package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tokensmith/model"
)

func userCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Help users who have lost their token"}
	codes := &cobra.Command{Use: "emergency-code", Short: "Make, list, send and delete emergency codes, which stand for the OTPs of a lost token",
		Long: "An emergency code stands for the OTP of a token that its user has lost, for a while. A user who has a PIN enters it before the\n" +
			"code. The domain of the user says how long a code may be good, how many a user may have, and how they may be sent."}
	codes.AddCommand(codesCreateCommand(e), codesListCommand(e), codesSendCommand(e), codesDeleteCommand(e))
	cmd.AddCommand(codes)
	return cmd
}

// codesFlags are the flags of the commands for emergency codes.
type codesFlags struct {
	callFlags
	domain string
	asJSON bool
}

// user returns the selector of the user with a login name, which may begin with a domain.
func (f *codesFlags) user(login string) map[string]any {
	user := map[string]any{"loginName": login}
	if f.domain != "" && !model.ParseUserName(login).InDomain {
		user["domain.name"] = f.domain
	}
	return user
}

func (f *codesFlags) domainFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.domain, "domain", "", "domain of the user, unless the login name begins with one or only one user has it")
}

func (f *codesFlags) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

// ask calls a method where the flags say, and decodes its result.
func (f *codesFlags) ask(ctx context.Context, e *env, method string, params, result any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	reply, err := e.call(ctx, &f.callFlags, method, text)
	if err != nil {
		return err
	}
	return resultOf(reply, result)
}

// emergencyCode is a row of what the commands print.
type emergencyCode struct {
	ID         string  `json:"id"`
	Password   *string `json:"password,omitempty"` // only of a new one, and only for who may see it
	Starts     *string `json:"starts"`
	Expires    *string `json:"expires"`
	UsageLimit int64   `json:"usageLimit"`
	UsedTimes  int64   `json:"usedTimes"`
	SentTimes  int64   `json:"sentTimes"`
}

var codeColumns = []string{"id", "starts", "expires", "usageLimit", "usedTimes", "sentTimes"}

// codes prints emergency codes, new ones with their texts.
func (e *env) codes(list []emergencyCode, made, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(e.stdout).Encode(list)
	}
	or := func(text *string, none string) string {
		if text == nil {
			return none
		}
		return *text
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if made {
		fmt.Fprint(w, "CODE\t")
	}
	fmt.Fprintln(w, "ID\tSTARTS\tEXPIRES\tUSED\tSENT")
	for _, c := range list {
		if made {
			fmt.Fprint(w, or(c.Password, "not shown to this agent"), "\t")
		}
		used := fmt.Sprint(c.UsedTimes)
		if c.UsageLimit > 0 {
			used += fmt.Sprint(" of ", c.UsageLimit)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", c.ID, or(c.Starts, "at once"), or(c.Expires, "never"), used, c.SentTimes)
	}
	return w.Flush()
}

func codesCreateCommand(e *env) *cobra.Command {
	f := &codesFlags{}
	var count, uses int
	var starts, expires string
	cmd := &cobra.Command{
		Use: "create LOGIN", Short: "Make emergency codes of a user; they are shown only once", Args: cobra.ExactArgs(1),
		Example: "  tokensmith user emergency-code create ada --db tokensmith.db\n" +
			`  tokensmith user emergency-code create 'NORTH\ada' --count 3 --uses 5 --expires 2026-01-31 --server http://127.0.0.1:8070/das5/rest`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			attrs := map[string]any{"user": f.user(args[0]), "usageLimit": uses}
			if starts != "" {
				attrs["starts"] = starts
			}
			if expires != "" {
				attrs["expires"] = expires
			}
			var made []emergencyCode
			params := map[string]any{"attrs": attrs, "count": count, "return": append([]string{"password"}, codeColumns...)}
			if err := f.ask(cmd.Context(), e, "tempPass/create", params, &made); err != nil {
				return err
			}
			return e.codes(made, true, f.asJSON)
		},
	}
	f.targetFlags(cmd)
	f.domainFlag(cmd)
	f.jsonFlag(cmd)
	cmd.Flags().IntVar(&count, "count", 1, "how many")
	cmd.Flags().IntVar(&uses, "uses", 1, "logins that each is good for; 0 = any number")
	cmd.Flags().StringVar(&starts, "starts", "", "date and time from which on they are good; none = at once")
	cmd.Flags().StringVar(&expires, "expires", "", "date and time until which they are good; none = as the domain says")
	return cmd
}

func codesListCommand(e *env) *cobra.Command {
	f := &codesFlags{}
	cmd := &cobra.Command{
		Use: "list LOGIN", Short: "List the emergency codes of a user, without their texts", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			var user struct {
				TempPasses []emergencyCode `json:"tempPasses"`
			}
			params := map[string]any{"user": f.user(args[0]), "return": []any{map[string]any{"tempPasses": codeColumns}}}
			if err := f.ask(cmd.Context(), e, "user/get", params, &user); err != nil {
				return err
			}
			return e.codes(user.TempPasses, false, f.asJSON)
		},
	}
	f.targetFlags(cmd)
	f.domainFlag(cmd)
	f.jsonFlag(cmd)
	return cmd
}

func codesSendCommand(e *env) *cobra.Command {
	f := &codesFlags{}
	var sms bool
	var to string
	cmd := &cobra.Command{
		Use: "send ID...", Short: "Send emergency codes of a user in one message", Args: cobra.MinimumNArgs(1),
		Long: "Send emergency codes of a user in one message, by the server that --server names: it has the relay for e-mail and the gateway\n" +
			"for SMS. The message goes to the user's own address, or with --to to another one.",
		Example: "  tokensmith user emergency-code send 0198c1f2a5b37c1e8f0d2b4a6c8e0f12 --server http://127.0.0.1:8070/das5/rest",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.server == "" {
				return withUsage(cmd, "give --server: messages are sent by a server")
			}
			if err := f.chosen(cmd); err != nil {
				return err
			}
			message := map[string]any{"type": "EMAIL"}
			if sms {
				message["type"] = "SMS"
			}
			if to != "" {
				message["to"] = to
			}
			return f.ask(cmd.Context(), e, "tempPass/send", map[string]any{"ids": args, "message": message}, nil)
		},
	}
	f.targetFlags(cmd)
	cmd.Flags().BoolVar(&sms, "sms", false, "by SMS instead of e-mail")
	cmd.Flags().StringVar(&to, "to", "", "another address than the user's")
	return cmd
}

func codesDeleteCommand(e *env) *cobra.Command {
	f := &codesFlags{}
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete an emergency code: it logs nobody in from now on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.chosen(cmd); err != nil {
				return err
			}
			return f.ask(cmd.Context(), e, "tempPass/delete", map[string]any{"id": args[0]}, nil)
		},
	}
	f.targetFlags(cmd)
	return cmd
}
