package batch

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// parts runs a batch in parts: consecutive calls that read share a snapshot, and consecutive calls that change something share a
// transaction. A part lasts about partTime.
func (m *Batch) parts(ctx context.Context, outer *dispatch.Call, calls []*prepared) (any, error) {
	began, most := time.Now(), m.maxReply(outer)
	at := &dispatch.Progress{}
	for at.Done < len(calls) {
		err := ctx.Err()
		switch {
		case err != nil: // the client has disconnected and does not want the rest
			return nil, err
		case time.Since(began) > m.Server.Config.LargeWait:
			err = model.Errorf(model.TooLarge, "not carried out: the batch takes longer than %s", m.Server.Config.LargeWait)
		case int64(len(at.Envelopes)) > most:
			err = model.Errorf(model.TooLarge, "not carried out: the answers of the batch are larger than %d bytes", most)
		default:
			var next *dispatch.Progress
			next, err = m.part(ctx, outer, calls, at)
			if dispatch.NeedsPresearch(err) { // in the first call of the part
				if err = calls[at.Done].call.Presearch(ctx, err); err == nil {
					continue
				}
			}
			if err == nil {
				at = next
				continue
			}
			if !at.Changed || outer.Idempotent != nil {
				return nil, err // nothing is changed, or a repeat of the batch continues from here
			}
		}
		for at.Done < len(calls) {
			at.Add(m.refused(&prepared{name: calls[at.Done].name, err: err}))
		}
	}
	if outer.Idempotent != nil && !at.Kept {
		if err := m.Server.Config.Store.Update(ctx, func(tx store.Tx) error { return outer.KeepLast(tx, at) }); err != nil {
			return nil, err
		}
	}
	return result(at, outer)
}

// result returns the replies of a complete batch.
func result(p *dispatch.Progress, outer *dispatch.Call) (any, error) {
	reply := outer.Reply()
	reply.Add("[")
	if err := reply.Write(p.Envelopes); err != nil {
		return jsontext.Value("[" + string(p.Envelopes) + "]"), nil // the batch is done, even if the reply cannot be written to a file
	}
	reply.Add("]")
	return reply.End()
}

// part runs the next part of a batch and returns the new progress.
func (m *Batch) part(ctx context.Context, outer *dispatch.Call, calls []*prepared, at *dispatch.Progress) (next *dispatch.Progress, err error) {
	end := at.Done + 1
	for changes := calls[at.Done].changes(); end < len(calls) && calls[end].changes() == changes; {
		end++
	}
	run := calls[at.Done:end]
	plan := &dispatch.Plan{Long: true, Heavy: heavy(run)}
	if !run[0].changes() {
		plan.View = func(store.ReadTx) (any, error) { return nil, nil } // set only so that Acquire waits for a slot for long reads
	}
	release, err := outer.Acquire(ctx, plan)
	if err != nil {
		return nil, err
	}
	defer release()
	each := func(from *dispatch.Progress, run []*prepared, step func(*prepared) ([]byte, error)) error {
		next = &dispatch.Progress{Done: from.Done, Envelopes: slices.Clip(from.Envelopes), Told: slices.Clip(from.Told), Changed: from.Changed}
		began, size := time.Now(), len(from.Envelopes)
		for _, p := range run {
			if time.Since(began) > partTime || len(next.Envelopes)-size > partReply || next.Done > from.Done && p.long() {
				return nil
			}
			envelope, err := step(p)
			if dispatch.NeedsPresearch(err) && next.Done > from.Done {
				return nil // end the part here, so that the search also sees what its calls changed
			}
			if err != nil {
				return err
			}
			next.Add(envelope)
			next.Told = append(next.Told, p.tells()...)
		}
		return nil
	}
	if plan.View != nil {
		err = m.Server.Config.Store.View(ctx, func(tx store.ReadTx) error {
			return each(at, run, func(p *prepared) ([]byte, error) { return m.look(tx, p) })
		})
		return next, err
	}
	err = m.Server.Config.Store.UpdateLong(ctx, func(tx store.Tx) error {
		defer outer.RecordPanic()
		from, run := at, run
		if outer.Idempotent != nil {
			kept, err := outer.Kept(tx)
			if err != nil {
				return err
			}
			if kept != nil && kept.Done > at.Done {
				next = kept // another run of the same batch has come further
				return nil
			}
		}
		err := each(from, run, func(p *prepared) ([]byte, error) { return m.step(tx, p, false) })
		if next != nil {
			next.Changed = true
		}
		tx.SetScope(outer.Scope)
		switch {
		case err != nil || outer.Idempotent == nil:
		case next.Done == len(calls):
			err = outer.KeepLast(tx, next)
		default:
			err = outer.KeepPart(tx, next)
		}
		return err
	})
	return next, err
}
