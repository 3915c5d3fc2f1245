package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tokensmith/model"
	"tokensmith/store/durable"
	"tokensmith/store/keyring"
)

// The head of the record is also kept outside the database, sealed, in the key file's folder. A person who empties or truncates
// the record by hand, including the marks, does not change that file. Each database has a file of its own there, with one line:
// "tokensmith-head-1" and the sealed head in base64. Processes and machines that use one PostgreSQL database may or may not share
// a folder. The marks form one chain, so every head that was ever kept is in the record, whichever process kept it. A kept head
// that is not in the record is never replaced, because then nobody would know what is missing.
const (
	keptLine     = "tokensmith-head-1"
	keptInterval = time.Minute // between two writes by one process
)

// keptHead is the file in which a database's head is kept.
type keptHead struct {
	keys *keyring.Keyring
	file string

	mu      sync.Mutex
	written time.Time // time of the last write or attempt
	last    string    // the head that was read last
	failed  error     // error of the last write
}

// keptFile returns the path of a database's file in the folder of the key file.
func keptFile(database, keyFile string) string {
	name := filepath.Base(database)
	if !sameFolder(database, keyFile) {
		name = numbered(name, database)
	}
	return filepath.Join(filepath.Dir(keyFile), name+".head")
}

// numbered returns a name with a hash of identity. It distinguishes databases with the same name whose key files are in one
// folder.
func numbered(name, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return fmt.Sprintf("%s-%x", name, sum[:4])
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(filepath.Dir(a))
	y, errY := os.Stat(filepath.Dir(b))
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// whole returns the absolute path of a file, with symbolic links in its folder resolved.
func whole(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(dir, filepath.Base(file))
	}
	return file
}

// place is the Place that the head is sealed for. It is not a column, and a rotation does not seal it again.
func (k *keptHead) place() keyring.Place {
	return keyring.Place{Table: "kept head", Row: filepath.Base(k.file)}
}

// read returns the kept head; "" if there is none. A head that was sealed with a retired key counts as none.
func (k *keptHead) read() (head string, err error) {
	text, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	sealed, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte(keptLine+" "))
	value, err := base64.StdEncoding.AppendDecode(nil, sealed)
	if !ok || err != nil {
		return "", fmt.Errorf("%s contains no head", k.file)
	}
	if len(value) > keyring.KeyIDBytes {
		if m := k.keys.Find(value[:keyring.KeyIDBytes]); m != nil && m.Retired() {
			return "", nil
		}
	}
	plain, err := k.keys.Unseal(k.place(), value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", k.file, err)
	}
	return string(plain), nil
}

// write replaces the kept head, completely or not at all. The file gets the key file's owner and mode.
func (k *keptHead) write(head string) error {
	f, err := durable.CreateTemp(k.file, "new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s %s\n", keptLine, base64.StdEncoding.EncodeToString(k.keys.Seal(k.place(), []byte(head))))
	if info, failed := os.Stat(k.keys.File); failed == nil && err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			err = f.Chown(int(owner.Uid), int(owner.Gid))
		}
		err = errors.Join(err, f.Chmod(info.Mode().Perm()))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), k.file)
	}
	return durable.NameFile(err, f.Name(), k.file)
}

// forget sets the file aside, because it belongs to the record of another database.
func (k *keptHead) forget() error {
	if err := os.Rename(k.file, setAside(k.file)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keepHead keeps the head of the record as it is now, at most once a minute. With atOnce, which is for closing the store, it
// keeps it at once. It stores its error for HeadNotKept, because the record can be used without a kept head.
func (s *sqlStore) keepHead(ctx context.Context, head string, atOnce bool) {
	k := s.kept
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !atOnce && !k.written.IsZero() && time.Since(k.written) < keptInterval {
		return
	}
	k.written = time.Now()
	view := s.view
	if atOnce {
		view = s.viewing // the closed store accepts no Views
	}
	if err := advance(ctx, k, head, view); ctx.Err() == nil {
		k.failed = err
	}
}

// keepFirst keeps the head that a new database has after it was made.
func (s *sqlStore) keepFirst(ctx context.Context) {
	var last *auditMark
	err := s.view(ctx, false, func(tx *sqlReadTx) (err error) {
		last, err = tx.lastAuditMark()
		return err
	})
	if err == nil && last.Number > 0 {
		s.keepHead(ctx, last.head(), false)
		s.kept.written = time.Time{} // so that the next head can be kept at once
	}
}

// advance replaces the kept head by head after it has checked that the record contains the old one.
func advance(ctx context.Context, k *keptHead, head string, view func(context.Context, bool, func(*sqlReadTx) error) error) error {
	before, err := k.read()
	if err != nil || before == head {
		return err
	}
	number, _, ok := parseHead(before)
	if !ok {
		return fmt.Errorf("%s contains no head", k.file)
	}
	if before != "" {
		err := view(ctx, true, func(tx *sqlReadTx) error { return tx.holdsMark(before) })
		var known *model.Error
		if errors.As(err, &known) && known.Kind == model.RecordBroken {
			known.Msg += k.hint()
		}
		if err != nil {
			return err
		}
	}
	if next, _, _ := parseHead(head); next <= number {
		return nil
	}
	return k.write(head)
}

// holdsMark checks that the record contains the mark that a head names, or a checkpoint that replaced that mark.
func (tx *sqlReadTx) holdsMark(head string) error {
	number, want, _ := parseHead(head)
	first, err := loadAll[auditMark](tx, "number >= ? ORDER BY number LIMIT 1", number)
	if err != nil {
		return err
	}
	switch {
	case len(first) == 0:
		return broken("its end was cut off: mark %d is missing", number)
	case first[0].Number == number && first[0].head() == want:
		return nil
	case first[0].Number > number && first[0].Kind == markCheckpoint && tx.store.audit.Verify(first[0].message(nil), first[0].MAC):
		return nil
	}
	return broken("mark %d is not the expected one", number)
}

// hint says which file an expected head comes from, and what to do if that expectation is wrong.
func (k *keptHead) hint() string {
	return " (according to " + filepath.Base(k.file) + " next to the key file; if you put an older backup in place on " +
		"purpose, remove that file)"
}

// hinted returns the hint if expect is the kept head; else "".
func (k *keptHead) hinted(expect string) string {
	if k == nil || expect == "" {
		return ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != expect {
		return ""
	}
	return k.hint()
}

func (s *sqlStore) KeptHead() (head string, err error) {
	k := s.kept
	if k == nil {
		return "", nil
	}
	if head, err = k.read(); err != nil {
		return "", &model.Error{Kind: model.RecordBroken, Msg: "the head of the audit record that is kept next to the key " +
			"file cannot be read", Err: err}
	}
	k.mu.Lock()
	k.last = head
	k.mu.Unlock()
	return head, nil
}

func (s *sqlStore) HeadNotKept() error {
	k := s.kept
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// findKept sets where this database's head is kept.
func (s *sqlStore) findKept(ctx context.Context, keyFile string) error {
	identity := s.file
	if identity == "" {
		var err error
		if identity, err = s.identity(ctx); err != nil {
			return err
		}
		s.kept = &keptHead{keys: s.keys, file: filepath.Join(filepath.Dir(keyFile), numbered("postgres", identity)+".head")}
		return nil
	}
	s.kept = &keptHead{keys: s.keys, file: keptFile(identity, keyFile)}
	return nil
}

// identity returns a name that distinguishes a PostgreSQL database from every other. The name stays the same after a failover to
// another machine.
func (s *sqlStore) identity(ctx context.Context) (name string, err error) {
	const here = "current_database() || '/' || COALESCE(current_schema(), '')"
	// The first query needs a privilege.
	for _, query := range []string{"SELECT system_identifier || '/' || " + here + " FROM pg_control_system()", "SELECT " + here} {
		err = s.view(ctx, false, func(tx *sqlReadTx) (err error) {
			name, err = value[string](tx, query)
			return err
		})
		if err == nil {
			break
		}
	}
	return name, err
}

// rewriteKeptHead keeps the current head of the record, without checking the one that was kept before.
func (s *sqlStore) rewriteKeptHead(ctx context.Context) error {
	var last *auditMark
	err := s.view(ctx, false, func(tx *sqlReadTx) (err error) {
		last, err = tx.lastAuditMark()
		return err
	})
	if err != nil {
		return err
	}
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	s.kept.failed = s.kept.rewrite(last.head())
	return s.kept.failed
}

// rewrite replaces the kept head without any check.
func (k *keptHead) rewrite(head string) error {
	var err error
	if number, _, _ := parseHead(head); number > 0 {
		if err = k.write(head); err == nil {
			return nil
		}
	}
	// An old head must not stay. Having none does no harm.
	if gone := os.Remove(k.file); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return errors.Join(err, gone)
	}
	return nil
}

// rewriteKept keeps the head of a database file that was made from a backup.
func rewriteKept(file, keyFile, head string) error {
	keys, err := keyring.Load(keyFile)
	if err != nil {
		return err
	}
	return (&keptHead{keys: keys, file: keptFile(whole(file), keyFile)}).rewrite(head)
}
