// Package durable makes files that are there whole or not at all, whatever ends the process; errors name the file that the user named.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// NameFile has an error speak of a file by the name that whoever reads it knows.
func NameFile(err error, file, as string) error {
	if err == nil || file == as || !strings.Contains(err.Error(), file) {
		return err
	}
	return &spoken{err, strings.ReplaceAll(err.Error(), file, as)}
}

type spoken struct {
	err  error
	text string
}

func (s *spoken) Error() string { return s.text }

func (s *spoken) Unwrap() error { return s.err }

// CreateTemp makes a file beside another, whose name and what it is for it has in its own; its owner alone can read it. An
// error names the other.
func CreateTemp(file, what string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+"."+what+"-*")
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return nil, &fs.PathError{Op: "create", Path: file, Err: failed.Err}
	}
	return f, err
}

// SyncDir makes a new file's name durable: losing the key file after sealing with it would lose every seed.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// LockFolder keeps others out who lock a file's folder; the lock goes with the process.
func LockFolder(file string) (unlock func() error, err error) {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir.Name(), err), dir.Close())
	}
	return dir.Close, nil
}
