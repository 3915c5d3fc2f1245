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
	metaTried  = "tried"         // the meta row that Writable writes and deletes again
	triedBytes = 32 << 10        // its size: as many pages as several calls write
	triedAgain = 3 * time.Second // how long no trial is made after a refused change
)

// proof is what is known about whether the database accepts changes.
type proof struct {
	trying   chan struct{} // holds one element while a trial runs
	refusals atomic.Int64  // how many changes were Unavailable
	carried  atomic.Int64  // refusals + 1, as of the last successful trial; 0 if there was none
	again    atomic.Int64  // time of the next allowed trial, in Unix milliseconds
}

func newProof() proof { return proof{trying: make(chan struct{}, 1)} }

// later postpones the next trial.
func (p *proof) later() { p.again.Store(time.Now().Add(triedAgain).UnixMilli()) }

func (p *proof) holds() bool { return p.carried.Load() == p.refusals.Load()+1 }

// failed records an Update's error if it is Unavailable. If the cause is a full disk or the like, the next trial is postponed.
// Otherwise a trial may be made at once.
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
	go func() { // in a goroutine, because a running Update does not end with ctx
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
	rand.Read(bytes) // PostgreSQL would compress zeros to a few bytes
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

// refusal says why a database accepts no changes, for the operator. It contains no folder name, because /readyz, which anyone may
// call, returns it.
type refusal string

func (r refusal) Error() string { return "the database takes no changes: " + string(r) }

func refused(why string) error {
	return model.UnavailableError(refusal(why))
}

// Why returns what must be fixed before the database accepts changes again, if an Unavailable error contains that; else "".
func Why(err error) string {
	var why refusal
	errors.As(err, &why)
	return string(why)
}

// inPlace returns an error while the database's files are not where they were.
func (s *sqlStore) inPlace() error {
	if s.placed == nil {
		return nil
	}
	return s.placed.check()
}

// outdated returns an error if a newer tokensmith has migrated the schema.
func (s *sqlStore) outdated() error {
	if n := s.newer.Load(); n != 0 {
		return refused(fmt.Sprintf("a newer tokensmith has brought its schema to number %d: start that version here as well", n))
	}
	return nil
}

// schemaInterval is how often a server reads the number of the schema.
const schemaInterval = time.Second

func (s *sqlStore) WatchSchema(ctx context.Context) {
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

// migratedBeyond returns the number of the schema if it is newer than this binary's; else 0.
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
