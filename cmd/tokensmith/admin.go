package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/wire"
)

const (
	firstAdmin  = "admin" // login name of the administrator of a new database
	adminDomain = "local" // default domain of administrators
)

func adminCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "admin", Short: "Make and unlock administrators, the people who sign in to the console"}
	cmd.AddCommand(adminCreateCommand(e), adminUnlockCommand())
	return cmd
}

func adminUnlockCommand() *cobra.Command {
	var d database
	var domain string
	cmd := &cobra.Command{
		Use: "unlock LOGIN", Short: "Unlock an administrator's sign-in to the console, and the account", Args: cobra.ExactArgs(1),
		Long: "Unlock an administrator. Wrong sign-ins under an administrator's name, whoever made them, lock the console for that name,\n" +
			"except from where the administrator signed in lately. This command ends that, ends a lock of the account, and forgets\n" +
			"the failures that led there. The server may be running.",
		Example: `  tokensmith admin unlock ada
  tokensmith admin unlock 'NORTH\ada'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			s, st, err := d.open(cmd.Context(), dispatch.Config{})
			if err != nil {
				return err
			}
			user := map[string]any{"loginName": args[0]}
			if cmd.Flags().Changed("domain") || !model.ParseUserName(args[0]).InDomain {
				user["domain.name"] = domain
			}
			_, err = operate(cmd.Context(), s, "user/unlock", map[string]any{"user": user})
			return errors.Join(err, st.Close())
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&domain, "domain", adminDomain, "domain of the account, unless the login name begins with one")
	return cmd
}

// operate calls a method in-process. If the method refuses, it returns the error code and an error with the message.
func operate(ctx context.Context, s *rpc.Server, method string, params map[string]any) (code int, err error) {
	text, err := json.Marshal(params)
	if err != nil {
		return 0, err
	}
	var reply struct {
		Error   int
		Message string
	}
	if err := json.Unmarshal(s.Call(ctx, method, text), &reply); err != nil {
		return 0, err
	}
	if reply.Error != 0 {
		return reply.Error, errors.New(reply.Message)
	}
	return 0, nil
}

func adminCreateCommand(e *env) *cobra.Command {
	var d database
	var domain, passwordFile string
	var permissions []string
	cmd := &cobra.Command{
		Use: "create LOGIN", Short: "Make a new or existing user an administrator; a new password is shown only once", Args: cobra.ExactArgs(1),
		Long: "Make an administrator, who may sign in to the console at /console/. A domain that does not exist is made; a user who\n" +
			"exists gets the password and the permissions.",
		Example: `  tokensmith admin create ada
  tokensmith admin create grace --permissions 'device/*,deviceGroup/*,license/*'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			if strings.ContainsAny(domain+args[0], `\`) || strings.TrimSpace(args[0]) != args[0] {
				return errors.New(`a login name and a domain have no \ and no white space at an end`)
			}
			if len(permissions) == 0 {
				return errors.New("--permissions must not be empty: permissions are what makes an administrator")
			}
			password, made := rand.Text(), true
			if passwordFile != "" {
				var err error
				if password, err = readPassword(passwordFile); err != nil {
					return err
				}
				made = false
			}
			s, st, err := d.open(cmd.Context(), dispatch.Config{})
			if err != nil {
				return err
			}
			err = errors.Join(makeAdmin(cmd.Context(), s, domain, args[0], password, permissions), st.Close())
			if err == nil && made {
				fmt.Fprintf(e.stdout, "login name  %s\npassword    %s\n", args[0], password)
			}
			return err
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&domain, "domain", adminDomain, "domain of the account")
	cmd.Flags().StringSliceVar(&permissions, "permissions", []string{"*"}, "what the administrator may do: method, object/*, role:NAME, or *")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password; if not given, a random one is made")
	return cmd
}

// makeAdmin makes an administrator, or one of a user that is there.
func makeAdmin(ctx context.Context, s *rpc.Server, domain, login, password string, permissions []string) error {
	call := func(method string, params map[string]any) (int, error) { return operate(ctx, s, method, params) }
	if code, err := call("domain/create", map[string]any{"attrs": map[string]any{"name": domain}}); err != nil && code != wire.Code(model.Exists) {
		return err
	}
	attrs := map[string]any{"password": password, "permissions": permissions, "status": "ACTIVE", "mustChangePassword": false}
	code, err := call("user/set", map[string]any{"user": map[string]any{"domain.name": domain, "loginName": login}, "attrs": attrs})
	if code != model.UserNoun.Code() {
		return err
	}
	attrs["domain.name"], attrs["loginName"] = domain, login
	_, err = call("user/create", map[string]any{"attrs": attrs})
	return err
}
