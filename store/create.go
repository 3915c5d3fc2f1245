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

// A new SQLite database is made whole under another name, with its schema, its key and what WithFirst puts into it, and
// then given its own: nobody sees one that is not finished, and where making it fails nothing is left of it.

// logs are the files beside an SQLite database without which it lacks what was acknowledged. Beside a new one SQLite would
// delete its predecessor's, or, worse, apply it.
var logs = []string{"-wal", "-journal"}

// missing says whether there is no database in a file. An empty file is none: SQLite takes it for new.
func missing(file string) (bool, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("database %s: it is no file", file)
	}
	return info.Size() == 0, nil
}

// create makes a new SQLite database where there is none, and says whether it did.
func (o *options) create(ctx context.Context, file, keyFile string) (made bool, err error) {
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return false, fmt.Errorf("database %s: %w", file, err)
	}
	// Who makes another at the same time comes later, and finds this one.
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

// clear refuses a place where a database was, and cleans it of what only looks like one.
func (o *options) clear(file, keyFile string) error {
	for _, log := range logs {
		info, err := os.Stat(file + log)
		if err != nil || info.Size() == 0 {
			continue
		}
		if o.make != makeAnew {
			return fmt.Errorf("there is no database at %s, but %s%s, the log of one, is there: changes that were acknowledged are in it. "+
				"Put the database back beside it, or restore a backup; serve --create makes a new one, and keeps the log under another name", file, file, log)
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

// setAside names what is left of an old database.
func setAside(file string) string {
	return file + ".kept-" + time.Now().UTC().Format("20060102T150405")
}

// unused refuses a key file that is there, where a new database shall have a new one.
func (o *options) unused(file, keyFile string) error {
	info, err := os.Stat(keyFile)
	if err == nil && info.IsDir() {
		return keyring.FolderError(keyFile)
	}
	if err == nil && o.make == makeFresh {
		return fmt.Errorf("there is no database at %s, but its key file %s is there: the database was moved or deleted, or --db names another file. "+
			"Put it back, or restore a backup; serve --create makes a new one with this key", file, keyFile)
	}
	return nil
}

// fill makes a database in part, and its key file unless there is one.
func (o *options) fill(ctx context.Context, file, part, keyFile string) (err error) {
	key := keyFile
	if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) {
		key = fmt.Sprintf("%s.new-%d", keyFile, os.Getpid())
		os.Remove(key) // of a process of that number that was killed
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

// naming has an error name the database file that was being made, unless it names that or the key file: a full disk is SQLite's
// word, and that names none.
func naming(err error, file, keyFile string) error {
	if err == nil || strings.Contains(err.Error(), file) || strings.Contains(err.Error(), keyFile) {
		return err
	}
	return fmt.Errorf("database %s: making it: %w", file, err)
}
