package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/rpc"
	"tokensmith/store"
)

// keyPath gives the path of the key file.
func (d *database) keyPath() string {
	if d.keyFile != "" {
		return d.keyFile
	}
	return d.beside(".key")
}

// openStore opens a database that is there, without the methods on it.
func (d *database) openStore(ctx context.Context) (store.Store, error) {
	if err := d.exists(); err != nil {
		return nil, err
	}
	return d.connect(ctx)
}

// with runs work on a database that is there.
func (d *database) with(ctx context.Context, work func(store.Store) error) error {
	st, err := d.openStore(ctx)
	if err != nil {
		return err
	}
	return errors.Join(work(st), st.Close())
}

// record leaves a row in the record of what an operator did past the methods.
func record(ctx context.Context, st store.Store, method, object string) error {
	return st.Update(ctx, func(tx store.Tx) error {
		return tx.Audit(&model.Audit{Time: model.At(time.Now()), Agent: rpc.Operator.Name, Method: method, Object: object, Remote: "local"})
	})
}

func backupCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write a checked copy of an SQLite database, also while it is served", Args: cobra.ExactArgs(1),
		Long: "Write a copy of an SQLite database, as it is at one moment, also while it is served and written to. The copy is\n" +
			"checked (pages, references, record, sealed values) before FILE is there; FILE must not exist. The key file is not in\n" +
			"it: keep a copy of that apart. A PostgreSQL database is backed up by pg_dump, or by tokensmith dump.",
		Example: "  tokensmith backup /backup/tokensmith-$(date +%F).db --db tokensmith.db",
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.with(cmd.Context(), func(st store.Store) error {
				c, err := st.Backup(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				key, err := filepath.Abs(d.keyPath())
				if err != nil {
					return err
				}
				e.whole(args[0], c)
				fmt.Fprintf(e.stdout, "it is worth nothing without the key file: keep a copy of %s, apart from it\n", key)
				return nil
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}

// whole says what a check found.
func (e *env) whole(what string, c store.Checked) {
	fmt.Fprintf(e.stdout, "%s is whole: %d sealed values opened, %d rows of the record, head %s\n", what, c.Sealed, c.Audit, c.Head)
}

func restoreCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "restore BACKUP", Short: "Make an SQLite database of a backup", Args: cobra.ExactArgs(1),
		Long: "Make an SQLite database of a backup, which is checked with the key file first. The database must not exist: move\n" +
			"a damaged one away, together with its -wal and -shm files. The record then ends where the backup does, so that heads\n" +
			"of later do not verify; the one that is kept beside the key file becomes the backup's.",
		Example: "  tokensmith restore /backup/tokensmith-2026-01-31.db --db tokensmith.db --key-file tokensmith.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			file := store.File(d.url)
			if file == "" {
				return errors.New("restore makes an SQLite database; a PostgreSQL one is restored by its own tools, or filled by tokensmith load")
			}
			c, err := store.Restore(cmd.Context(), args[0], file, d.keyPath())
			if err != nil {
				return err
			}
			e.whole(file, c)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}

const checkSample = 1000 // sealed values of a column that are opened, first and last

func checkCommand(e *env) *cobra.Command {
	var d database
	var all bool
	cmd := &cobra.Command{
		Use: "check", Short: "Check that a database is whole", Args: cobra.NoArgs,
		Long: "Check a database, also while it is served: the pages and references of an SQLite file, the chains of the record,\n" +
			"and that sealed values open with the key file, the first and last thousand of each column or, with --all, every one.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			have, newest, err := store.Schema(cmd.Context(), d.url)
			if err != nil {
				return err
			}
			if have < newest {
				return fmt.Errorf("the database has schema %d, this tokensmith %d: run tokensmith migrate first", have, newest)
			}
			return d.with(cmd.Context(), func(st store.Store) error {
				c, err := st.Check(cmd.Context(), checkSample, all)
				if err == nil {
					e.whole("the database", c)
				}
				return err
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().BoolVar(&all, "all", false, "open every sealed value")
	return cmd
}

func migrateCommand(e *env) *cobra.Command {
	var d database
	var dryRun bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring a database's schema to this version", Args: cobra.NoArgs,
		Long: "Bring a database's schema to this version, as serve does at its start. There is no way back: take a backup before.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			have, newest, err := store.Schema(cmd.Context(), d.url)
			if err != nil {
				return err
			}
			switch {
			case have == newest:
				fmt.Fprintf(e.stdout, "the schema is %d already\n", have)
				return nil
			case dryRun:
				fmt.Fprintf(e.stdout, "the schema is %d, this tokensmith's %d\n", have, newest)
				return nil
			}
			return d.with(cmd.Context(), func(store.Store) error {
				fmt.Fprintf(e.stdout, "the schema was %d and is %d\n", have, newest)
				return nil
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say which schema it has")
	return cmd
}
