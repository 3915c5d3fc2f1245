package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tokensmith/store"
)

func dumpCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "dump FILE|-", Short: "Write a whole database as JSON lines, for load", Args: cobra.ExactArgs(1),
		Long: "Write a whole database, as it is at one moment, as JSON lines. SQLite and PostgreSQL give the same bytes. What is sealed\n" +
			"stays sealed, so a dump is useless without the key file; names and addresses are readable. FILE must not exist.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.with(cmd.Context(), func(st store.Store) error {
				var rows int64
				err := e.create(args[0], func(w io.Writer) (err error) {
					rows, err = st.Dump(cmd.Context(), w)
					return err
				})
				if err == nil {
					fmt.Fprintf(e.stderr, "%d rows written; they need the key file %s\n", rows, d.keyPath())
				}
				return err
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}

// create writes a file that only its owner can read, durably. If write fails, there is no file. For "-" it writes to the standard
// output.
func (e *env) create(file string, write func(io.Writer) error) error {
	if file == "-" {
		return write(e.stdout)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

func loadCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "load FILE", Short: "Fill a new database from a dump", Args: cobra.ExactArgs(1),
		Long: "Fill a new database, SQLite or PostgreSQL, from a dump of the same version of tokensmith and with its key file. The dump\n" +
			"is read twice: it is checked completely before anything is stored. If loading is interrupted, the database cannot be\n" +
			"used: remove it and load again. OTPs that were used after the dump was made are valid again, until you run tokensmith\n" +
			"restore --in-place.",
		Example: "  tokensmith dump all.jsonl --db tokensmith.db\n" +
			"  tokensmith load all.jsonl --db 'postgres://USER:PASSWORD@HOST/DATABASE' --key-file tokensmith.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := os.Stat(d.keyPath()); err != nil {
				return err // otherwise connect would create one
			}
			st, err := d.connect(cmd.Context())
			if err != nil {
				return err
			}
			rows, err := st.Load(cmd.Context(), f)
			if err = errors.Join(err, st.Close()); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			fmt.Fprintf(e.stdout, "%d rows loaded\n", rows)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}
