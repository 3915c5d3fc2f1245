package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/caller"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/emergency"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Audit is the receiver of the methods for the audit log: reading it, and checking that nobody changed it.
type Audit struct{ object.CRUD }

// AuditType declares the object audit, a row of the audit log.
var AuditType = object.Declare(&object.Type{
	Name: "audit", NotFound: model.AuditNoun, Row: func() any { return new(model.Audit) }, Order: "time",
	Attrs: []object.Attr{
		{Name: "time", Kind: object.Date, Indexed: true, About: "the order of a search, if no other is given"},
		{Name: "agent", Kind: object.Text, About: "the caller's name; empty if the caller is unknown"},
		{Name: "method", Kind: object.Text},
		{Name: "object", Kind: object.Text, About: "what it was done to"},
		{Name: "outcome", Kind: object.Integer, About: "the reply's error code; 0 = done"},
		{Name: "remote", Kind: object.Text, About: "the caller's address"},
		{Name: "writer", Kind: object.Text, About: "the chain that the row belongs to"},
		{Name: "changed", Kind: object.Text, About: "what a change gave: names of attributes, and values of those that are one of a few"},
		{Name: "sequence", Kind: object.Integer, About: "its number in the chain, from 1"},
	},
})

// AuditVerifyArgs are the parameters of audit/verify.
type AuditVerifyArgs struct {
	ExpectHead wire.Text `json:"expectHead"`
}

type auditVerified struct {
	Rows int64  `json:"rows"`
	Head string `json:"head"`
}

// Verify checks the whole audit log. It also checks that it still contains everything that it contained when expectHead was its
// head. Without expectHead it uses the head that is kept beside the key file.
func (m *Audit) Verify(r *http.Request, args *AuditVerifyArgs, plan *dispatch.Plan) error {
	// Add a mark first, so that the returned head covers every row that is checked.
	if _, err := m.Server.Config.Store.MarkAudit(r.Context(), m.Server.Config.Now()); err != nil {
		return err
	}
	expect := string(args.ExpectHead)
	if expect == "" {
		var err error
		if expect, err = m.Server.Config.Store.KeptHead(); err != nil {
			return err
		}
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		v, err := tx.VerifyAudit(expect)
		if err != nil {
			return nil, err
		}
		return auditVerified{v.Rows, v.Head}, nil
	}
	return nil
}

// PruneAudit removes the rows of the audit log from before a moment, and records that. The remaining rows can still be verified.
func PruneAudit(ctx context.Context, s *dispatch.Server, before time.Time) (removed int64, err error) {
	now := s.Config.Now()
	return s.Config.Store.PruneAudit(ctx, before, now, &model.Audit{Time: model.At(now), Agent: caller.Operator.Name, Method: "audit/prune",
		Object: "rows from before " + model.At(before).String(), Remote: "local"})
}

// headInterval is how often the head of the audit log is recorded. Every headLogged-th head is also logged.
const (
	headInterval = time.Minute
	headLogged   = 5
)

// Maintain records the head of the audit log every minute until ctx ends, also beside the key file, and logs every fifth head.
// audit/verify takes such a head as expectHead. Maintain also deletes expired replies of calls with an idempotency key, and emergency
// codes that ended long ago.
func Maintain(ctx context.Context, s *dispatch.Server) {
	tick := time.NewTicker(headInterval)
	defer tick.Stop()
	said := ""
	for n := 0; ; n++ {
		head, err := s.Config.Store.MarkAudit(ctx, s.Config.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Config.Log.Error().Err(err).Msg("audit head")
		case n%headLogged == 0:
			s.Config.Log.Info().Str("head", head).Int64("refusalsNotRecorded", s.Limits.Unreported.Swap(0)).Msg("audit head")
		}
		said = sayNotKept(s, said)
		if n%headLogged == 0 {
			if err := s.Config.Store.KeepCounts(ctx, s.Config.Now()); err != nil && ctx.Err() == nil {
				s.Config.Log.Error().Err(err).Msg("how many there are today")
			}
			if err := emergency.Prune(ctx, s); err != nil && ctx.Err() == nil {
				s.Config.Log.Error().Err(err).Msg("emergency codes whose time is over")
			}
			if err := s.DropReplies(ctx); err != nil && ctx.Err() == nil {
				s.Config.Log.Error().Err(err).Msg("answers whose time is over")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sayNotKept logs why the head is not kept beside the key file, unless said is the same text. It returns the text; "" if the head
// is kept.
func sayNotKept(s *dispatch.Server, said string) string {
	err := s.Config.Store.HeadNotKept()
	if err == nil {
		return ""
	}
	if text := err.Error(); text != said {
		var known *model.Error
		if errors.As(err, &known) && known.Kind == model.RecordBroken {
			s.Config.Log.Error().Err(err).Msg("audit record")
		} else {
			s.Config.Log.Warn().Err(err).Msg("the head of the audit record could not be stored next to the key file")
		}
		return text
	}
	return said
}
