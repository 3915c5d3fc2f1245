package rpc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

// Audit has the methods of the record: reading it, and checking that nobody bent it.
type Audit struct{ crud }

var auditObject = declare(&object{
	name: "audit", missing: model.AuditNoun, row: func() any { return new(model.Audit) }, order: "time",
	attrs: []attr{
		{name: "time", kind: date, indexed: true, about: "a search is sorted by it if not told otherwise"},
		{name: "agent", kind: text, about: "the caller's name; none when nobody known called"},
		{name: "method", kind: text},
		{name: "object", kind: text, about: "what it was done to"},
		{name: "outcome", kind: integer, about: "the reply's error code; 0 = done"},
		{name: "remote", kind: text, about: "the caller's address"},
		{name: "writer", kind: text, about: "the chain it stands in"},
		{name: "sequence", kind: integer, about: "its place there, from 1"},
	},
})

// AuditVerifyArgs are the parameters of audit/verify.
type AuditVerifyArgs struct {
	ExpectHead Text `json:"expectHead"`
}

type auditVerified struct {
	Rows int64  `json:"rows"`
	Head string `json:"head"`
}

// Verify checks the whole record, and that it still holds what it held when expectHead was its head; without it, when that was
// which is kept beside the key file.
func (m *Audit) Verify(r *http.Request, args *AuditVerifyArgs, plan *Plan) error {
	// The head that is answered shall speak for every row that is checked.
	if _, err := m.s.cfg.Store.MarkAudit(r.Context(), m.s.cfg.Now()); err != nil {
		return err
	}
	expect := string(args.ExpectHead)
	if expect == "" {
		var err error
		if expect, err = m.s.cfg.Store.KeptHead(); err != nil {
			return err
		}
	}
	plan.view = func(tx store.ReadTx) (any, error) {
		v, err := tx.VerifyAudit(expect)
		if err != nil {
			return nil, err
		}
		return auditVerified{v.Rows, v.Head}, nil
	}
	return nil
}

// PruneAudit removes what the record holds of before a moment, and records that. The rest still verifies.
func (s *core) PruneAudit(ctx context.Context, before time.Time) (removed int64, err error) {
	now := s.cfg.Now()
	return s.cfg.Store.PruneAudit(ctx, before, now, &model.Audit{Time: model.At(now), Agent: Operator.Name, Method: "audit/prune",
		Object: "rows of before " + model.At(before).String(), Remote: "local"})
}

// headInterval is how often the head of the record is written down; every headLogged-th time it goes to the log.
const (
	headInterval = time.Minute
	headLogged   = 5
)

// Watch writes the head of the record down every minute until ctx ends, beside the key file as well, and logs it every five;
// audit/verify takes it as expectHead. It also removes the answers to calls with an idempotency key whose time is over.
func (s *core) Watch(ctx context.Context) {
	tick := time.NewTicker(headInterval)
	defer tick.Stop()
	said := ""
	for n := 0; ; n++ {
		head, err := s.cfg.Store.MarkAudit(ctx, s.cfg.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.cfg.Log.Error().Err(err).Msg("audit head")
		case n%headLogged == 0:
			s.cfg.Log.Info().Str("head", head).Int64("refusalsNotRecorded", s.limits.unsaid.Swap(0)).Msg("audit head")
		}
		said = s.sayNotKept(said)
		if n%headLogged == 0 {
			if err := s.DropAnswers(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error().Err(err).Msg("answers whose time is over")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sayNotKept logs why the head is not kept beside the key file, unless that was said last, and returns what was.
func (s *core) sayNotKept(said string) string {
	err := s.cfg.Store.HeadNotKept()
	if err == nil {
		return ""
	}
	if text := err.Error(); text != said {
		var known *model.Error
		if errors.As(err, &known) && known.Kind == model.RecordBroken {
			s.cfg.Log.Error().Err(err).Msg("audit record")
		} else {
			s.cfg.Log.Warn().Err(err).Msg("the head of the audit record is not kept beside the key file")
		}
		return text
	}
	return said
}
