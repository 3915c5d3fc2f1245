package conn

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"tokensmith/model"
)

const (
	spoolAll    = 2 << 30   // limit for all files together, in bytes
	spoolEach   = 512 << 20 // limit for the files of one caller, in bytes
	spoolStep   = 4 << 20   // size by which a file's share of both limits grows; so there are at most 512 files
	SpoolBuffer = 64 << 10
)

// Spools stores data that is too large for memory in unnamed files, which exist as long as their calls. They are encrypted with
// keys that exist only in memory, because bodies contain seeds, and replies may.
type Spools struct {
	folders []string // tried in order
	rand    io.Reader

	mu   sync.Mutex
	held int64
	of   map[string]int64 // bytes by caller
}

// ErrSpool says that a file could not be written.
var ErrSpool = errors.New("spool")

// NewSpools returns Spools that use the first of the folders in which a file can be created. Without folders, they use the
// system's temporary folder.
func NewSpools(folders []string, rand io.Reader) *Spools {
	if len(folders) == 0 {
		folders = []string{os.TempDir()}
	}
	return &Spools{folders: folders, rand: rand, of: map[string]int64{}}
}

// New creates a file for a caller. Close frees its space.
func (s *Spools) New(caller string) (*SpoolFile, error) {
	var key [32 + aes.BlockSize]byte
	if _, err := io.ReadFull(s.rand, key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	f := &SpoolFile{of: s, caller: caller, stream: func() cipher.Stream { return cipher.NewCTR(block, key[32:]) }}
	f.seal = f.stream()
	var failed error
	for _, folder := range s.folders {
		if f.file, err = os.CreateTemp(folder, "tokensmith-*"); err == nil {
			err = os.Remove(f.file.Name())
		}
		if err == nil {
			return f, nil
		}
		if f.file != nil {
			f.file.Close()
		}
		failed = errors.Join(failed, err)
	}
	return nil, spoolFailed(failed)
}

func spoolFailed(err error) error {
	return model.UnavailableError(fmt.Errorf("%w: %w", ErrSpool, err))
}

// take reserves n bytes for a caller; a negative n frees them.
func (s *Spools) take(caller string, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > 0 && (s.held+n > spoolAll || s.of[caller]+n > spoolEach) {
		return spoolFailed(fmt.Errorf("%d MiB are held, %d of them by this caller", s.held>>20, s.of[caller]>>20))
	}
	s.held += n
	if s.of[caller] += n; s.of[caller] == 0 {
		delete(s.of, caller)
	}
	return nil
}

// Taken returns how many bytes are reserved.
func (s *Spools) Taken() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// SpoolFile is a file that is written first, and then read.
type SpoolFile struct {
	of     *Spools
	caller string
	file   *os.File
	seal   cipher.Stream        // encrypts what is written
	stream func() cipher.Stream // returns a new stream that starts at the beginning of the file
	Size   int64
	taken  int64
	buf    []byte
}

func (f *SpoolFile) buffer() []byte {
	if f.buf == nil {
		f.buf = make([]byte, SpoolBuffer)
	}
	return f.buf
}

// Write appends p to the file.
func (f *SpoolFile) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		part := f.buffer()[:min(len(p), SpoolBuffer)]
		if f.Size+int64(len(part)) > f.taken {
			if err := f.of.take(f.caller, spoolStep); err != nil {
				return n, err
			}
			f.taken += spoolStep
		}
		f.seal.XORKeyStream(part, p[:len(part)])
		if _, err := f.file.Write(part); err != nil {
			return n, spoolFailed(err)
		}
		f.Size += int64(len(part))
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}

// All reads the file into memory.
func (f *SpoolFile) All() ([]byte, error) {
	all := make([]byte, f.Size)
	if _, err := f.file.ReadAt(all, 0); err != nil {
		return nil, spoolFailed(err)
	}
	f.stream().XORKeyStream(all, all)
	return all, nil
}

// WriteTo writes the contents of the file to w.
func (f *SpoolFile) WriteTo(w io.Writer) (int64, error) {
	open, done := f.stream(), int64(0)
	for done < f.Size {
		part := f.buffer()[:min(f.Size-done, SpoolBuffer)]
		if _, err := f.file.ReadAt(part, done); err != nil {
			return done, spoolFailed(err)
		}
		open.XORKeyStream(part, part)
		n, err := w.Write(part)
		if done += int64(n); err != nil {
			return done, err
		}
	}
	return done, nil
}

// Close deletes the file. Closing twice is allowed.
func (f *SpoolFile) Close() error {
	err := f.file.Close()
	f.of.take(f.caller, -f.taken)
	f.taken = 0
	return err
}
