package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tokensmith/model/seedfile"
	"tokensmith/rpc"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// database says where the data and the key are.
type database struct {
	url, keyFile string
	timeZone     string         // time zone of dates without a time
	bulk         *time.Duration // nil for the store's default
	made         []string       // files beside the database that this process created
}

func (d *database) flags(cmd *cobra.Command, def string) {
	cmd.Flags().StringVar(&d.url, "db", def, "SQLite file, or postgres:// URL")
	cmd.Flags().StringVar(&d.timeZone, "timezone", "UTC", "time zone for dates without a time, such as Europe/Berlin")
	cmd.Flags().StringVar(&d.keyFile, "key-file", "", "key file (default: the database file's name with .key; "+
		"tokensmith.key for PostgreSQL)")
}

// bulkFlag adds the flag for commands that run calls of many rows.
func (d *database) bulkFlag(cmd *cobra.Command) {
	d.bulk = cmd.Flags().Duration("bulk-timeout", store.DefaultBulkTimeout, "time limit of a call of many rows, such as an "+
		"import, on a database that this process has open, from 1s to 24h")
}

// connect opens the database.
func (d *database) connect(ctx context.Context, options ...store.Option) (store.Store, error) {
	if d.bulk != nil {
		if *d.bulk < time.Second || *d.bulk > 24*time.Hour {
			return nil, fmt.Errorf("--bulk-timeout must be from 1s to 24h, not %s", *d.bulk)
		}
		options = append(options, store.WithBulkTimeout(*d.bulk))
	}
	return store.Open(ctx, d.url, d.keyPath(), options...)
}

// sidecar returns the path of a file that belongs to the database.
func (d *database) sidecar(suffix string) string {
	file := store.File(d.url)
	if file == "" {
		if d.keyFile != "" {
			return filepath.Join(filepath.Dir(d.keyFile), "tokensmith"+suffix)
		}
		return "tokensmith" + suffix
	}
	return strings.TrimSuffix(file, ".db") + suffix
}

// exists returns an error if an SQLite file does not exist. It is for commands that must not create a database.
func (d *database) exists() error {
	file := store.File(d.url)
	if file == "" {
		return nil
	}
	_, err := os.Stat(file)
	return err
}

// folders returns an error if the folder of a file does not exist, before other files are created.
func (d *database) folders() error {
	for _, file := range []string{store.File(d.url), d.keyPath()} {
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// open opens the database with the methods. It creates an SQLite database only if there was none, unless options say otherwise.
// The caller must close the store.
func (d *database) open(ctx context.Context, cfg dispatch.Config, options ...store.Option) (*rpc.Server, store.Store, error) {
	var err error
	if cfg.TimeZone, err = d.zone(); err != nil {
		return nil, nil, err
	}
	st, err := d.connect(ctx, append([]store.Option{store.MakeIfFresh()}, options...)...)
	if err != nil {
		return nil, nil, err
	}
	s, err := methodsOn(ctx, cfg, st)
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return s, st, nil
}

// methods opens the database with the methods, which log to stderr. The caller must close the store.
func (e *env) methods(ctx context.Context, d *database) (*rpc.Server, store.Store, error) {
	return d.open(ctx, dispatch.Config{Log: e.jsonLog(), Certify: d.certify})
}

// zone returns the time zone of dates without a time.
func (d *database) zone() (*time.Location, error) {
	zone, err := time.LoadLocation(d.timeZone)
	if err != nil {
		return nil, fmt.Errorf("--timezone: %q is not a time zone such as Europe/Berlin", d.timeZone)
	}
	return zone, nil
}

// methodsOn returns the methods on a database.
func methodsOn(ctx context.Context, cfg dispatch.Config, st store.Store) (*rpc.Server, error) {
	cfg.Store, cfg.Now, cfg.NewID, cfg.Rand = st, time.Now, newID, rand.Reader
	return rpc.New(ctx, cfg)
}

// unmake removes the files beside the database that this process created.
func (d *database) unmake() (err error) {
	for _, file := range d.made {
		if gone := os.Remove(file); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	d.made = nil
	return err
}

// newID returns a UUIDv7 (RFC 9562) without hyphens. Later ids are greater.
func newID() string {
	id := uuid.Must(uuid.NewV7())
	return hex.EncodeToString(id[:])
}

// jsonLog returns a log to stderr with one JSON object per line.
func (e *env) jsonLog() zerolog.Logger { return zerolog.New(e.stderr).With().Timestamp().Logger() }

// logger returns a log to stderr in a format.
func (e *env) logger(format string) (zerolog.Logger, error) {
	switch format {
	case "json":
		return e.jsonLog(), nil
	case "console":
		return zerolog.New(zerolog.ConsoleWriter{Out: e.stderr, TimeFormat: time.TimeOnly, NoColor: true}).With().Timestamp().Logger(), nil
	}
	return zerolog.Nop(), fmt.Errorf("--log-format must be json or console, not %q", format)
}

// readText reads a small file as UTF-8 or, if the byte order mark says so, as UTF-16, which PowerShell writes.
func readText(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	in, err := seedfile.NewReader(f, "")
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(in)
	return string(text), err
}

// readPassword returns the first line of a file.
func readPassword(file string) (string, error) {
	text, err := readText(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(text, "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s contains no password", file)
	}
	return line, nil
}
