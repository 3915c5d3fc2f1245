package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// placed are the files of an open SQLite database. If a file was moved or replaced, what is written to the open one is not in the
// database that the next process opens.
type placed struct{ files []placedFile }

type placedFile struct {
	path string
	id   fileID
}

// fileID identifies a file independently of its name.
type fileID struct{ device, number uint64 }

func idOf(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// newPlaced records the files of an open database.
func newPlaced(path string) *placed {
	p := &placed{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if id, err := idOf(path + suffix); err == nil {
			p.files = append(p.files, placedFile{path + suffix, id})
		}
	}
	return p
}

// check refuses changes while a file is not where it was. It costs one system call for each file.
func (p *placed) check() error { return elsewhere(p.files) }

// checkMain is check for the database file alone.
func (p *placed) checkMain() error { return elsewhere(p.files[:min(1, len(p.files))]) }

func elsewhere(files []placedFile) error {
	for i := range files {
		f := &files[i]
		id, err := idOf(f.path)
		if err == nil && id != f.id || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
			return refused(fmt.Sprintf("its file %s was moved, deleted or replaced while it was open: put it back, or stop this process", filepath.Base(f.path)))
		}
	}
	return nil
}

// serves announces that this process serves a database, for as long as the returned file is open. It returns whether another
// process does so too. It locks nobody out. On a file system without flock it cannot see other processes.
//
// The announcement is a lock (flock) on the database file itself, so that it is found under any name of the file. Closing this
// file would release SQLite's own locks. Therefore it must be closed only after SQLite has closed the database.
func serves(path string) (note *os.File, others bool, err error) {
	if note, err = os.Open(path); err != nil {
		return nil, false, err
	}
	others = syscall.Flock(int(note.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == syscall.EWOULDBLOCK
	// From now on the lock is shared, so that the next process notices it. A process that checks at the same moment holds the
	// exclusive lock for a short time; hence the retries.
	for try := 0; try < 50 && syscall.Flock(int(note.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK; try++ {
		time.Sleep(10 * time.Millisecond)
	}
	return note, others, nil
}
