package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// keyPath returns the path of the key file.
func (d *database) keyPath() string {
	if d.keyFile != "" {
		return d.keyFile
	}
	return d.sidecar(".key")
}

// openStore opens an existing database without the methods.
func (d *database) openStore(ctx context.Context, options ...store.Option) (store.Store, error) {
	if err := d.exists(); err != nil {
		return nil, err
	}
	return d.connect(ctx, options...)
}

// with opens an existing database, calls work, and closes the database.
func (d *database) with(ctx context.Context, work func(store.Store) error, options ...store.Option) error {
	st, err := d.openStore(ctx, options...)
	if err != nil {
		return err
	}
	return errors.Join(work(st), st.Close())
}

// record adds a row to the audit log for an operator's action that is not a method call.
func record(ctx context.Context, st store.Store, method, object string) error {
	return st.Update(ctx, func(tx store.Tx) error { return tx.Audit(operatorRow(time.Now(), method, object)) })
}

func operatorRow(now time.Time, method, object string) *model.Audit {
	return &model.Audit{Time: model.At(now), Agent: caller.Operator.Name, Method: method, Object: object, Remote: "local"}
}

func backupCommand(e *env) *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write a checked copy of an SQLite database, even while it is served", Args: cobra.ExactArgs(1),
		Long: "Write a copy of an SQLite database as it is at one moment, even while it is served and written to. FILE appears only\n" +
			"after the copy was checked (pages, references, audit record, sealed values); it must not exist before. The copy does not\n" +
			"contain the key file: keep a copy of that in another place. Back up a PostgreSQL database with pg_dump or tokensmith dump.",
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
				fmt.Fprintf(e.stdout, "the backup is useless without the key file: keep a copy of %s as well, in another place\n", key)
				return nil
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	return cmd
}

// whole prints what a check found.
func (e *env) whole(what string, c store.Checked) {
	fmt.Fprintf(e.stdout, "%s is intact: %d sealed values opened, %d rows of the audit record, head %s\n", what, c.Sealed, c.Audit, c.Head)
}

// maxAdvance is the limit of --advance-hotp. A higher value is a mistake.
const maxAdvance = 1_000_000

func restoreCommand(e *env) *cobra.Command {
	var d database
	var advance int64
	var inPlace bool
	cmd := &cobra.Command{
		Use: "restore [BACKUP]", Short: "Restore an SQLite database from a backup, so that nothing that was used since is valid again", Args: cobra.MaximumNArgs(1),
		Long: "Make an SQLite database from a backup, which is first checked with the key file. The database must not exist: move a\n" +
			"damaged one away, together with its -wal and -shm files. The audit record then ends where the backup ends, so later heads\n" +
			"no longer verify; the backup's head replaces the one that is kept next to the key file.\n" +
			"\n" +
			"The backup does not know what was used after it was made. So time-based tokens no longer accept OTPs from before the\n" +
			"restore, and soon afterwards ask for two OTPs once, because their clocks may be ahead of what the backup knows. Passcodes,\n" +
			"emergency codes, provisioning links and sessions of the console end. How many OTPs event-based tokens have used, nobody knows:\n" +
			"--advance-hotp moves all their counters forward by that many events. Give no more than people can catch up with by\n" +
			"pressing the button. Without it, OTPs that were used after the backup are valid again.\n" +
			"\n" +
			"With --in-place and no backup, it does the same to a database that other tools have restored: those of PostgreSQL,\n" +
			"tokensmith load from an old dump, or a snapshot of the disk. No server may be running then. One that serves the same\n" +
			"SQLite file is noticed, one on a PostgreSQL database is not. This database's head replaces the one that is kept next to\n" +
			"the key file.",
		Example: "  tokensmith restore /backup/tokensmith-2026-01-31.db --db tokensmith.db --key-file tokensmith.key --advance-hotp 5\n" +
			"  tokensmith restore --in-place --db 'postgres://USER:PASSWORD@HOST/DATABASE'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if advance < 0 || advance > maxAdvance {
				return fmt.Errorf("--advance-hotp must be from 0 to %d, not %d", maxAdvance, advance)
			}
			if inPlace == (len(args) == 1) {
				return withUsage(cmd, "give either a backup or --in-place")
			}
			now := time.Now()
			var r store.Restored
			finish := func(st store.Store) (err error) {
				r, err = st.AfterRestore(cmd.Context(), now, advance, operatorRow(now, "restore", fmt.Sprint("counters advanced by ", advance)))
				return err
			}
			file := store.File(d.url)
			switch {
			case inPlace:
				if err := d.with(cmd.Context(), finish, store.Exclusive()); err != nil {
					return err
				}
			case file == "":
				return errors.New("a backup can only be restored to SQLite: restore a PostgreSQL database by its own tools " +
					"or tokensmith load, then run restore --in-place")
			default:
				c, err := store.Restore(cmd.Context(), args[0], file, d.keyPath(), finish)
				if err != nil {
					return err
				}
				e.whole(file, c)
			}
			e.restored(r, now, advance)
			return nil
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().Int64Var(&advance, "advance-hotp", 0, "events by which the counters of event-based tokens move forward")
	cmd.Flags().BoolVar(&inPlace, "in-place", false, "the database was restored by other tools: invalidate what may have been used since")
	return cmd
}

// restored prints what a restore did after it had copied the rows.
func (e *env) restored(r store.Restored, now time.Time, advance int64) {
	fmt.Fprintf(e.stdout, "time-based tokens: %d no longer accept OTPs from before %s\n", r.Times, now.UTC().Format(time.RFC3339))
	if advance > 0 {
		fmt.Fprintf(e.stdout, "event-based tokens: %d do not accept their next %d OTPs\n", r.Events, advance)
	} else if r.Events > 0 {
		fmt.Fprintf(e.stdout, "event-based tokens: %d accept OTPs again that were used since the backup; "+
			"restore --in-place --advance-hotp moves their counters forward\n", r.Events)
	}
	fmt.Fprintf(e.stdout, "ended: %d passcodes, %d emergency codes, %d provisioning links, %d sessions of the console\n", r.Passcodes, r.Codes, r.Links, r.Sessions)
}

const checkSample = 1000 // how many sealed values of each column are opened, at its start and at its end

func checkCommand(e *env) *cobra.Command {
	var d database
	var all, guessing, names, counters bool
	cmd := &cobra.Command{
		Use: "check", Short: "Check that a database is intact", Args: cobra.NoArgs,
		Long: "Check a database, even while it is served: the pages and references of an SQLite file, the audit record, and that sealed\n" +
			"values open with the key file (the first and last thousand of each column; with --all, every one).\n" +
			"With --guessing, compute instead how far somebody who guesses OTPs for a year gets with the present settings.\n" +
			"With --names, list instead the names and serials that would no longer be accepted. What has such a name is still found\n" +
			"by its id, and can be renamed or deleted.\n" +
			"With --counters, count tokens, users and devices anew instead, by which searches tell a total.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			have, newest, err := store.Schema(cmd.Context(), d.url)
			if err != nil {
				return err
			}
			if have < newest {
				return fmt.Errorf("the database has schema %d, this tokensmith needs %d: run tokensmith migrate first", have, newest)
			}
			if guessing {
				return e.guessing(cmd, &d)
			}
			if names {
				return e.names(cmd, &d)
			}
			return d.with(cmd.Context(), func(st store.Store) error {
				if counters {
					wrong, err := st.Recount(cmd.Context())
					if err == nil {
						fmt.Fprintf(e.stdout, "%d counters were wrong\n", wrong)
					}
					return err
				}
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
	cmd.Flags().BoolVar(&counters, "counters", false, "count tokens, users and devices anew")
	cmd.Flags().BoolVar(&names, "names", false, "list names and serials that would no longer be accepted")
	cmd.Flags().BoolVar(&guessing, "guessing", false, "compute how far guessing OTPs gets")
	return cmd
}

// names prints the names that the rules for names would now refuse.
func (e *env) names(cmd *cobra.Command, d *database) error {
	s, st, err := e.methods(cmd.Context(), d)
	if err != nil {
		return err
	}
	defer st.Close()
	n, err := s.NameFaults(cmd.Context(), func(f object.NameFault) {
		fmt.Fprintf(e.stdout, "%s %s %s %s: %s\n", f.Object, f.ID, f.Attribute, f.Text, f.Reason)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d names would no longer be accepted\n", n)
	return nil
}

func migrateCommand(e *env) *cobra.Command {
	var d database
	var dryRun bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring a database's schema to this version", Args: cobra.NoArgs,
		Long: "Bring a database's schema to this version, as serve does at its start. This cannot be undone: make a backup first.",
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
				fmt.Fprintf(e.stdout, "the schema is %d, this tokensmith needs %d\n", have, newest)
				return nil
			}
			return d.with(cmd.Context(), func(store.Store) error {
				fmt.Fprintf(e.stdout, "the schema was %d and is %d\n", have, newest)
				return nil
			})
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the database's schema")
	return cmd
}
