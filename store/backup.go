package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"tokensmith/store/durable"
)

const backupSample = 1000 // how many sealed values of each column are opened in a backup, at the start and at the end of the column

func (s *sqliteStore) Backup(ctx context.Context, file string) (c Checked, err error) {
	return place(file, func(part string) (Checked, error) {
		if err := s.copyTo(ctx, part); err != nil {
			return Checked{}, err
		}
		c, err := CheckFile(ctx, part, s.keys.File)
		return c, durable.NameFile(err, part, file)
	})
}

// Restore makes a database file from a backup, which it checks first. The database must not exist before. finish, such as
// AfterRestore, runs on the new database before the file gets its name; if it fails, there is no file. The kept head of the
// record is then replaced by the backup's.
func Restore(ctx context.Context, backup, file, keyFile string, finish ...func(Store) error) (Checked, error) {
	if _, err := os.Stat(backup); err != nil {
		return Checked{}, fmt.Errorf("the backup: %w", err)
	}
	if _, err := os.Stat(keyFile); err != nil {
		return Checked{}, fmt.Errorf("the key file: %w", err) // opening would create one
	}
	if info, err := os.Stat(backup + "-wal"); err == nil && info.Size() > 0 {
		return Checked{}, fmt.Errorf("%s is not a backup but a database in use: a part of it is in %s-wal", backup, backup)
	}
	c, err := place(file, func(part string) (Checked, error) {
		if err := copyFile(backup, part); err != nil {
			return Checked{}, err
		}
		c, err := CheckFile(ctx, part, keyFile)
		if err != nil || len(finish) == 0 {
			return c, durable.NameFile(err, part, backup)
		}
		o, err := optionsOf(nil)
		if err != nil {
			return c, err
		}
		o.part = true
		s, err := open(ctx, part, keyFile, o)
		if err != nil {
			return c, durable.NameFile(err, part, backup)
		}
		for _, do := range finish {
			if err == nil {
				err = do(s)
			}
		}
		return c, errors.Join(err, s.Close())
	})
	if err != nil {
		return c, err
	}
	if err := rewriteKept(file, keyFile, c.Head); err != nil {
		return c, fmt.Errorf("%s is restored, but the audit head kept next to the key file could not be replaced, so audit "+
			"verify will miss the rows that are not in the backup: %w", file, err)
	}
	return c, nil
}

// place has make create a file under a temporary name. It gives the file its final name only after make has succeeded and
// everything is on the disk.
func place(file string, make func(part string) (Checked, error)) (c Checked, err error) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if _, err := os.Lstat(file + suffix); err == nil {
			return c, fmt.Errorf("%s exists already", file+suffix)
		}
	}
	f, err := durable.CreateTemp(file, "part")
	if err != nil {
		return c, err
	}
	part := f.Name()
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			os.Remove(part + suffix)
		}
	}()
	if err := f.Close(); err != nil {
		return c, err
	}
	if c, err = make(part); err != nil {
		return c, err
	}
	done, err := os.Open(part)
	if err != nil {
		return c, err
	}
	if err := errors.Join(done.Sync(), done.Close()); err != nil {
		return c, err
	}
	// Unlike a rename, a link never replaces another file.
	if err := os.Link(part, file); err != nil {
		return c, err
	}
	return c, durable.SyncDir(filepath.Dir(file))
}

// CheckFile opens an SQLite database and checks it. If its schema is older than this version's, it is migrated first.
func CheckFile(ctx context.Context, file, keyFile string) (c Checked, err error) {
	s, err := Open(ctx, file, keyFile)
	if err != nil {
		return c, err
	}
	c, err = s.Check(ctx, backupSample, false)
	return c, errors.Join(err, s.Close())
}

// copyTo copies the database's pages to a file, all in one step: a copy in several steps starts again whenever another connection
// writes between them.
func (s *sqliteStore) copyTo(ctx context.Context, file string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.busy.Done()
	from, err := (&sqlite3.SQLiteDriver{}).Open(s.readSource)
	if err != nil {
		return s.kind(err)
	}
	to, err := (&sqlite3.SQLiteDriver{}).Open(file)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	return s.kind(errors.Join(copyPages(from.(*sqlite3.SQLiteConn), to.(*sqlite3.SQLiteConn)), to.Close(), from.Close()))
}

func copyPages(from, to *sqlite3.SQLiteConn) error {
	b, err := to.Backup("main", from, "main")
	if err != nil {
		return err
	}
	done, err := b.Step(-1)
	if err == nil && !done {
		err = errors.New("the database is busy")
	}
	return errors.Join(err, b.Finish())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Close())
}
