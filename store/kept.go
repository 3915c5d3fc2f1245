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

// The head of the record is also kept outside the database, in the key file's folder, sealed: who empties or cuts the record
// by hand, marks included, does not empty that. Each database has a file of its own there, of one line, "tokensmith-head-1"
// and the sealed head in base64. Processes and machines on one PostgreSQL database may share a folder or not: marks are one
// chain, so that every head that was ever kept is in the record, whoever kept it. One that is not is never replaced, or it
// would be forgotten what is missing.
const (
	keptLine     = "tokensmith-head-1"
	keptInterval = time.Minute // between two writings by one process
)

// keptHead is where a database's head is kept.
type keptHead struct {
	keys *keyring.Keyring
	file string

	mu      sync.Mutex
	written time.Time // when it was written last, or should have been
	last    string    // what was read last
	failed  error     // of the last writing
}

// keptFile names the file for a database in the folder of a key file.
func keptFile(database, keyFile string) string {
	name := filepath.Base(database)
	if !sameFolder(database, keyFile) {
		name = numbered(name, database)
	}
	return filepath.Join(filepath.Dir(keyFile), name+".head")
}

// numbered tells databases of one name apart whose key files lie together.
func numbered(name, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return fmt.Sprintf("%s-%x", name, sum[:4])
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(filepath.Dir(a))
	y, errY := os.Stat(filepath.Dir(b))
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// whole returns a file's path from the root, by its folder's own name.
func whole(file string) string {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(dir, filepath.Base(file))
	}
	return file
}

// place is what the head is sealed for: no column, and not among what a rotation seals anew.
func (k *keptHead) place() keyring.Place {
	return keyring.Place{Table: "kept head", Row: filepath.Base(k.file)}
}

// read returns the head that is kept; "" when there is none. One under a key that was retired is none.
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
		return "", fmt.Errorf("%s holds no head", k.file)
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

// write puts a head in place of what is kept, whole or not at all, and with the key file's owner and mode.
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

// forget sets aside what is kept of another record, which is no expectation of this one's.
func (k *keptHead) forget() error {
	if err := os.Rename(k.file, setAside(k.file)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// keepHead keeps a head of the record as it stands now, at most once a minute; at once when the store is being closed. What
// comes of it, HeadNotKept says: the record goes on all the same.
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
		view = s.viewing // the store takes no more Views
	}
	if err := advance(ctx, k, head, view); ctx.Err() == nil {
		k.failed = err
	}
}

// keepFirst keeps the head of what a new database was made with.
func (s *sqlStore) keepFirst(ctx context.Context) {
	var last *auditMark
	err := s.view(ctx, false, func(tx *sqlReadTx) (err error) {
		last, err = tx.lastAuditMark()
		return err
	})
	if err == nil && last.Number > 0 {
		s.keepHead(ctx, last.head(), false)
		s.kept.written = time.Time{} // the first minute has its own
	}
}

// advance writes a head in place of what is kept, once the record is seen to hold that.
func advance(ctx context.Context, k *keptHead, head string, view func(context.Context, bool, func(*sqlReadTx) error) error) error {
	before, err := k.read()
	if err != nil || before == head {
		return err
	}
	number, _, ok := parseHead(before)
	if !ok {
		return fmt.Errorf("%s holds no head", k.file)
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

// holdsMark says whether the record holds the mark that a head names, or has a checkpoint in place of it and others.
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
	return broken("mark %d is another than the one expected", number)
}

// hint says where an expectation came from, and what to do about one that must not be met.
func (k *keptHead) hint() string {
	return " (" + filepath.Base(k.file) + " beside the key file says so; where an older backup was put in place on purpose, remove that file)"
}

// hinted adds the hint to what came of expecting what is kept.
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
		return "", &model.Error{Kind: model.RecordBroken, Msg: "the head of the audit record that is kept beside the key file cannot be read", Err: err}
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

// findKept says where this database's head is kept.
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

// identity tells a PostgreSQL database from every other, also after its primary is another machine.
func (s *sqlStore) identity(ctx context.Context) (name string, err error) {
	const here = "current_database() || '/' || COALESCE(current_schema(), '')"
	for _, query := range []string{"SELECT system_identifier || '/' || " + here + " FROM pg_control_system()", "SELECT " + here} { // the first needs a right
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

// keepAnew keeps the head of the record as it is, whatever was kept before.
func (s *sqlStore) keepAnew(ctx context.Context) error {
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

// rewrite keeps a head in place of whatever is kept.
func (k *keptHead) rewrite(head string) error {
	var err error
	if number, _, _ := parseHead(head); number > 0 {
		if err = k.write(head); err == nil {
			return nil
		}
	}
	// An old one must not stay; that none is kept does no harm.
	if gone := os.Remove(k.file); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return errors.Join(err, gone)
	}
	return nil
}

// rewriteKept keeps the head of a database file that was made of a backup.
func rewriteKept(file, keyFile, head string) error {
	keys, err := keyring.Load(keyFile)
	if err != nil {
		return err
	}
	return (&keptHead{keys: keys, file: keptFile(whole(file), keyFile)}).rewrite(head)
}
