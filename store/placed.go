package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// placed are the files that an SQLite database is in. What is written to one that was moved away, or in whose place another
// was put, is not in the database that the next process opens.
type placed struct{ files []placedFile }

type placedFile struct {
	path string
	id   fileID
}

// fileID tells files apart, whatever they are called.
type fileID struct{ device, number uint64 }

func idOf(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, err
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// newPlaced notes the files of a database that is open.
func newPlaced(path string) *placed {
	p := &placed{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if id, err := idOf(path + suffix); err == nil {
			p.files = append(p.files, placedFile{path + suffix, id})
		}
	}
	return p
}

// check refuses changes while a file is not where it was. It costs a system call a file.
func (p *placed) check() error { return elsewhere(p.files) }

// checkMain is check of the database file alone.
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

// serves notes that this process serves a database, for as long as the file it gives is open, and says whether another does.
// It keeps nobody out. A file system that has no such notes hides them all.
//
// The note is on the database's own file, so that it is found under any name. Closing the file drops SQLite's locks, and must
// wait until SQLite has closed it.
func serves(path string) (note *os.File, others bool, err error) {
	if note, err = os.Open(path); err != nil {
		return nil, false, err
	}
	others = syscall.Flock(int(note.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == syscall.EWOULDBLOCK
	// Shared from now on, so that the next one notices. Whoever looks in the same moment has it alone for an instant.
	for try := 0; try < 50 && syscall.Flock(int(note.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK; try++ {
		time.Sleep(10 * time.Millisecond)
	}
	return note, others, nil
}
