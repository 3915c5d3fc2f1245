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
		Use: "rotate", Short: "Add a new key to the key file and seal everything again with it, even while the database is served", Args: cobra.NoArgs,
		Long: "Add a new key to the key file and seal everything again with it, in small parts, even while the database is served:\n" +
			"servers notice the new key within a second. Several machines on one PostgreSQL database need the same file: stop all\n" +
			"servers but one, rotate, copy the file, start them again. After an interruption, run the same command again; it continues\n" +
			"with the key that it began with. The old key stays in the file, for old backups, until tokensmith key retire.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.with(cmd.Context(), func(st store.Store) error {
				r, err := st.Rotate(cmd.Context(), time.Now())
				if err != nil {
					return err
				}
				fmt.Fprintf(e.stdout, "%d values were resealed, %d hashes recomputed; keep a copy of the new %s\n", r.Values, r.Hashes, d.keyPath())
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
		Use: "retire", Short: "Remove the old keys from the key file", Args: cobra.NoArgs,
		Long: "Remove the old keys from the key file, unless something is still sealed with one of them, or the rotation was less than\n" +
			"an hour ago: a call from before may still be running. What is needed of the old keys to verify the audit record stays.\n" +
			"Backups from before the rotation need the key file of that time.",
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
	cmd.Flags().BoolVar(&restarted, "restarted", false, "all servers were restarted after the rotation, so no call from "+
		"before it is still running")
	return cmd
}
