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
	spoolAll    = 2 << 30   // bytes of all files at once
	spoolEach   = 512 << 20 // of one caller's
	spoolStep   = 4 << 20   // by which a file takes of both: so there are at most 512
	SpoolBuffer = 64 << 10
)

// Spools keeps what is too large for memory in files without a name, as long as its call lasts. They are encrypted with a key
// that is in memory alone, for bodies hold seeds and replies may.
type Spools struct {
	folders []string // the first that takes a file is used
	rand    io.Reader

	mu   sync.Mutex
	held int64
	of   map[string]int64 // bytes, by caller
}

// ErrSpool is why a file could not be written.
var ErrSpool = errors.New("spool")

// NewSpools spools into the first of the folders that takes a file; none = the system's for temporary files.
func NewSpools(folders []string, rand io.Reader) *Spools {
	if len(folders) == 0 {
		folders = []string{os.TempDir()}
	}
	return &Spools{folders: folders, rand: rand, of: map[string]int64{}}
}

// New makes a caller's file, which Close removes.
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

// take takes n bytes of the quota for a caller; a negative n gives them back.
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

// Taken returns how much room is taken.
func (s *Spools) Taken() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// SpoolFile is a file of a spool. It is written, and then read.
type SpoolFile struct {
	of     *Spools
	caller string
	file   *os.File
	seal   cipher.Stream        // of what is written
	stream func() cipher.Stream // a fresh one, from the beginning
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

// Write appends to the file.
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

// WriteTo writes what the file holds.
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

// Close removes the file. Twice does no harm.
func (f *SpoolFile) Close() error {
	err := f.file.Close()
	f.of.take(f.caller, -f.taken)
	f.taken = 0
	return err
}
