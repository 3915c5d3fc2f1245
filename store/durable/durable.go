// Package durable writes files that are either complete or absent, however the process ends. Its errors name the file that the
// user named.
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

// NameFile replaces the name of a file in an error's text by another name, usually the name that the user knows.
func NameFile(err error, file, as string) error {
	if err == nil || file == as || !strings.Contains(err.Error(), file) {
		return err
	}
	return &readableError{err, strings.ReplaceAll(err.Error(), file, as)}
}

type readableError struct {
	err  error
	text string
}

func (s *readableError) Error() string { return s.text }

func (s *readableError) Unwrap() error { return s.err }

// CreateTemp creates a temporary file in the folder of file. Its name consists of file's name and what it is for, and only its
// owner can read it. An error names file.
func CreateTemp(file, what string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+"."+what+"-*")
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return nil, &fs.PathError{Op: "create", Path: file, Err: failed.Err}
	}
	return f, err
}

// SyncDir makes the name of a new file durable. For example, if the key file were lost after something was sealed with it, every
// seed would be lost.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// LockFolder locks the folder of a file against other callers of LockFolder. The lock ends with the process.
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
