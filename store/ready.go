package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"tokensmith/model"
)

const (
	metaTried  = "tried"         // what Writable writes and takes away again
	triedBytes = 32 << 10        // of it: the pages of several calls
	triedAgain = 3 * time.Second // after a change was refused, until one is tried
)

// proof is what is known of writing.
type proof struct {
	trying   chan struct{} // holds one while somebody does
	refusals atomic.Int64  // of changes, Unavailable
	carried  atomic.Int64  // what refusals was, and one more, when a trial was last carried out; 0 = never
	again    atomic.Int64  // when one may be tried, in Unix milliseconds
}

func newProof() proof { return proof{trying: make(chan struct{}, 1)} }

// later puts the next trial off.
func (p *proof) later() { p.again.Store(time.Now().Add(triedAgain).UnixMilli()) }

func (p *proof) holds() bool { return p.carried.Load() == p.refusals.Load()+1 }

// failed notes what an Update's error lets expect of others. One that was Unavailable for another reason than a full disk and
// the like leaves that open: it may be tried at once.
func (s *sqlStore) failed(err error) {
	var known *model.Error
	if !errors.As(err, &known) || known.Kind != model.Unavailable {
		return
	}
	if s.dialect.refuses(err) {
		s.proof.later()
	}
	s.proof.refusals.Add(1)
}

func (s *sqlStore) Alive(ctx context.Context) error {
	return s.view(ctx, true, func(tx *sqlReadTx) error {
		_, err := tx.Meta(metaSchema)
		return err
	})
}

func (s *sqlStore) Writable(ctx context.Context) error {
	if err := errors.Join(s.outdated(), s.inPlace()); err != nil {
		return err
	}
	if s.proof.holds() {
		return nil
	}
	select {
	case s.proof.trying <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	tried := make(chan error, 1)
	go func() { // an Update that runs does not end with ctx
		err := s.tryWriting()
		<-s.proof.trying
		tried <- err
	}()
	select {
	case err := <-tried:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sqlStore) tryWriting() error {
	before := s.proof.refusals.Load()
	if s.proof.holds() {
		return nil
	}
	if time.Now().UnixMilli() < s.proof.again.Load() {
		return errRefused
	}
	bytes := make([]byte, triedBytes)
	rand.Read(bytes) // PostgreSQL would write zeros in a few bytes
	err := s.update(context.Background(), updateShort, func(tx *sqlTx) error {
		if err := tx.PutMeta(metaTried, bytes); err != nil {
			return err
		}
		_, err := tx.exec("DELETE FROM meta WHERE name = ?", metaTried)
		return err
	})
	if err != nil {
		s.proof.later()
		return err
	}
	s.proof.carried.Store(before + 1)
	return nil
}

var errRefused = unavailableError("the database refused a change just now")

// refusal is why a database takes no changes, for whoever runs the server to mend. It holds no folder's name: /readyz, which
// anybody may ask, tells it.
type refusal string

func (r refusal) Error() string { return "the database takes no changes: " + string(r) }

func refused(why string) error {
	return model.UnavailableError(refusal(why))
}

// Why says what must be mended until a database takes changes again, where an Unavailable error knows that; else "".
func Why(err error) string {
	var why refusal
	errors.As(err, &why)
	return string(why)
}

// inPlace refuses changes while the database's file is not where it was.
func (s *sqlStore) inPlace() error {
	if s.placed == nil {
		return nil
	}
	return s.placed.check()
}

// outdated refuses changes where a newer tokensmith has migrated the schema.
func (s *sqlStore) outdated() error {
	if n := s.newer.Load(); n != 0 {
		return refused(fmt.Sprintf("a newer tokensmith has brought its schema to number %d: start that version here as well", n))
	}
	return nil
}

// schemaInterval is how often a server looks which number the schema has.
const schemaInterval = time.Second

func (s *sqlStore) Guard(ctx context.Context) {
	tick := time.NewTicker(schemaInterval)
	defer tick.Stop()
	for {
		if newer, err := s.migratedBeyond(ctx); err == nil {
			s.newer.Store(newer)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// migratedBeyond returns the number of the schema, where it is none of this tokensmith's, and else 0.
func (s *sqlStore) migratedBeyond(ctx context.Context) (int64, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, err
	}
	var number []byte
	err = s.view(ctx, false, func(tx *sqlReadTx) (err error) {
		number, err = tx.Meta(metaSchema)
		return err
	})
	if err != nil {
		return 0, err
	}
	have, err := strconv.Atoi(string(number))
	if err != nil || have <= len(files) {
		return 0, err
	}
	return int64(have), nil
}
