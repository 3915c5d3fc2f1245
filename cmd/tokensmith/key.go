package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/store"
)

func keyCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Rotate the key that seals the database"}
	cmd.AddCommand(keyRotateCommand(e), keyRetireCommand(e))
	return cmd
}

func keyRotateCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "rotate", Short: "Add a new key to the key file and seal everything anew with it, also while the database is served", Args: cobra.NoArgs,
		Long: "Add a new key to the key file and seal everything anew with it, in small parts, also while the database is served:\n" +
			"servers notice the key file within a second. Several machines on one PostgreSQL database need the same file: stop all\n" +
			"but one of the servers, rotate, copy the file, start them. After an interruption run the same command again; it goes\n" +
			"on with the key it began with. The old key stays in the file, for old backups, until tokensmith key retire.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.with(cmd.Context(), func(st store.Store) error {
				r, err := st.Rotate(cmd.Context(), time.Now())
				if err != nil {
					return err
				}
				fmt.Fprintf(e.stdout, "%d values are sealed anew, %d hashes made anew; keep a copy of the new %s\n", r.Values, r.Hashes, d.keyPath())
				return record(cmd.Context(), st, "key/rotate", "")
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}

func keyRetireCommand(e *env) *cobra.Command {
	var d database
	var restarted bool
	cmd := &cobra.Command{
		Use: "retire", Short: "Take the old keys out of the key file", Args: cobra.NoArgs,
		Long: "Take the old keys out of the key file, unless something is still sealed with one of them, or the rotation was less\n" +
			"than an hour ago: a call that began before it may still be under way. What the record needs of the old keys to be\n" +
			"verified stays. Backups of before the rotation need the file of then.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.with(cmd.Context(), func(st store.Store) error {
				n, err := st.RetireKeys(cmd.Context(), time.Now(), restarted)
				if err != nil {
					return err
				}
				fmt.Fprintf(e.stdout, "%d old keys retired\n", n)
				return record(cmd.Context(), st, "key/retire", "")
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().BoolVar(&restarted, "restarted", false, "every server was started since the rotation, so no call of before it is under way")
	return cmd
}
