package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tokensmith/store/durable"
	"tokensmith/store/keyring"
)

// A new SQLite database is made completely under a temporary name, with its schema, its key and what WithFirst adds, and then
// renamed. No other process sees an unfinished database. If making it fails, nothing of it is left.

// logs are the suffixes of the files beside an SQLite database that hold committed changes. Beside a new database, SQLite would
// delete such a file of an older database or, worse, apply it.
var logs = []string{"-wal", "-journal"}

// missing returns whether a file holds no database. An empty file holds none: SQLite treats it as a new one.
func missing(file string) (bool, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("database %s: it is not a file", file)
	}
	return info.Size() == 0, nil
}

// create makes a new SQLite database if there is none, and returns whether it did.
func (o *options) create(ctx context.Context, file, keyFile string) (made bool, err error) {
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return false, fmt.Errorf("database %s: %w", file, err)
	}
	// A process that does the same at the same time waits here, and then finds this database.
	unlock, err := durable.LockFolder(keyFile)
	if err != nil {
		return false, err
	}
	defer unlock()
	if none, err := missing(file); err != nil || !none {
		return false, err
	}
	if err := o.clear(file, keyFile); err != nil {
		return false, err
	}
	_, err = place(file, func(part string) (c Checked, err error) {
		return c, o.fill(ctx, file, part, keyFile)
	})
	return err == nil, naming(err, file, keyFile)
}

// clear prepares the path for a new database. If the log of an older database is there, it refuses or, with makeAnyway, renames
// the log. It removes the other files that are left of an older database, and sets its kept head aside.
func (o *options) clear(file, keyFile string) error {
	for _, log := range logs {
		info, err := os.Stat(file + log)
		if err != nil || info.Size() == 0 {
			continue
		}
		if o.make != makeAnyway {
			return fmt.Errorf("there is no database at %s, but its log %s%s exists, and committed changes are in it. "+
				"Put the database back next to it, or restore a backup; serve --create makes a new one, and keeps the log "+
				"under another name", file, file, log)
		}
		if err := os.Rename(file+log, setAside(file+log)); err != nil {
			return err
		}
	}
	if err := o.unused(file, keyFile); err != nil {
		return err
	}
	if err := (&keptHead{file: keptFile(whole(file), keyFile)}).forget(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// setAside returns the new name for a file that is left of an old database.
func setAside(file string) string {
	return file + ".kept-" + time.Now().UTC().Format("20060102T150405")
}

// unused refuses an existing key file if the new database must have a new one.
func (o *options) unused(file, keyFile string) error {
	info, err := os.Stat(keyFile)
	if err == nil && info.IsDir() {
		return keyring.FolderError(keyFile)
	}
	if err == nil && o.make == makeIfFresh {
		return fmt.Errorf("there is no database at %s, but its key file %s exists: the database was moved or deleted, or "+
			"--db names another file. "+
			"Put it back, or restore a backup; serve --create makes a new one with this key", file, keyFile)
	}
	return nil
}

// fill makes a database in the file part. It makes the key file too, unless it exists.
func (o *options) fill(ctx context.Context, file, part, keyFile string) (err error) {
	key := keyFile
	if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) {
		key = fmt.Sprintf("%s.new-%d", keyFile, os.Getpid())
		os.Remove(key) // left by a killed process with the same process id
		if _, err := keyring.Create(key); err != nil {
			return durable.NameFile(err, key, keyFile)
		}
		defer os.Remove(key)
	}
	inner := *o
	inner.use, inner.make, inner.part = toWork, makeMissing, true
	s, err := open(ctx, part, key, &inner)
	if err != nil {
		return durable.NameFile(durable.NameFile(err, part, file), key, keyFile)
	}
	if o.first != nil {
		err = o.first(s)
	}
	if err = errors.Join(err, s.Close()); err != nil || key == keyFile {
		return durable.NameFile(err, part, file)
	}
	if err := os.Link(key, keyFile); err != nil {
		return durable.NameFile(err, key, keyFile)
	}
	return durable.SyncDir(filepath.Dir(keyFile))
}

// naming adds the name of the new database file to an error, unless the error already names that file or the key file. For
// example, SQLite's error for a full disk names no file.
func naming(err error, file, keyFile string) error {
	if err == nil || strings.Contains(err.Error(), file) || strings.Contains(err.Error(), keyFile) {
		return err
	}
	return fmt.Errorf("database %s: making it: %w", file, err)
}
