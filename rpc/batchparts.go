package rpc

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
)

// progress is how far a batch in parts has come. With an idempotency key it is kept, sealed, with each part that changed
// something, under the mark partly in place of the answer: whoever repeats the batch, also at the same time or after a crash, goes
// on from there, so that each call is carried out once.
type progress struct {
	done      int
	envelopes []byte   // of those calls, separated by commas
	told      []string // what they told a secret of
	changed   bool     // a part was committed
	kept      bool     // its answer is kept
}

// partly begins what is kept of a batch that has not come to its end. No envelope begins so.
const partly = '['

func (p *progress) add(envelope []byte) {
	if p.done++; p.done > 1 {
		p.envelopes = append(p.envelopes, ',')
	}
	p.envelopes = append(p.envelopes, envelope...)
}

// parts runs a batch part by part: calls that read on snapshots, changes in transactions of partTime each.
func (m *Batch) parts(ctx context.Context, outer *call, calls []*prepared) (any, error) {
	began, most := time.Now(), m.replyMost(outer)
	at := &progress{}
	for at.done < len(calls) {
		err := ctx.Err()
		switch {
		case err != nil: // whoever left does not want the rest
			return nil, err
		case time.Since(began) > m.s.cfg.LargeWait:
			err = model.Errorf(model.TooLarge, "not carried out: the batch takes longer than %s", m.s.cfg.LargeWait)
		case int64(len(at.envelopes)) > most:
			err = model.Errorf(model.TooLarge, "not carried out: the answers of the batch are larger than %d bytes", most)
		default:
			var next *progress
			if next, err = m.part(ctx, outer, calls, at); err == nil {
				at = next
				continue
			}
			if !at.changed || outer.once != nil {
				return nil, err // nothing is changed, or the same batch again goes on from here
			}
		}
		for at.done < len(calls) {
			at.add(m.refused(&prepared{name: calls[at.done].name, err: err}))
		}
	}
	if outer.once != nil && !at.kept {
		if err := m.s.cfg.Store.Update(ctx, func(tx store.Tx) error { return outer.keepLast(tx, at) }); err != nil {
			return nil, err
		}
	}
	return at.result(outer)
}

// result gives the answers of a batch that has come to its end.
func (p *progress) result(outer *call) (any, error) {
	reply := outer.reply()
	reply.add("[")
	if err := reply.write(p.envelopes); err != nil {
		return jsontext.Value("[" + string(p.envelopes) + "]"), nil // it is done, whatever the disk says
	}
	reply.add("]")
	return reply.end()
}

// part runs the next part of a batch and gives how far it has come by it.
func (m *Batch) part(ctx context.Context, outer *call, calls []*prepared, at *progress) (next *progress, err error) {
	end := at.done + 1
	for changes := calls[at.done].changes(); end < len(calls) && calls[end].changes() == changes; {
		end++
	}
	run := calls[at.done:end]
	plan := &Plan{long: true, heavy: heavy(run)}
	if !run[0].changes() {
		plan.view = func(store.ReadTx) (any, error) { return nil, nil } // for its place
	}
	release, err := outer.takePlaces(ctx, plan)
	if err != nil {
		return nil, err
	}
	defer release()
	each := func(from *progress, run []*prepared, step func(*prepared) ([]byte, error)) error {
		next = &progress{done: from.done, envelopes: slices.Clip(from.envelopes), told: slices.Clip(from.told), changed: from.changed}
		began, size := time.Now(), len(from.envelopes)
		for _, p := range run {
			if time.Since(began) > partTime || len(next.envelopes)-size > partReply || next.done > from.done && p.long() {
				return nil
			}
			envelope, err := step(p)
			if err != nil {
				return err
			}
			next.add(envelope)
			next.told = append(next.told, p.tells()...)
		}
		return nil
	}
	if plan.view != nil {
		err = m.s.cfg.Store.View(ctx, func(tx store.ReadTx) error {
			return each(at, run, func(p *prepared) ([]byte, error) { return m.look(tx, p) })
		})
		return next, err
	}
	err = m.s.cfg.Store.UpdateLong(ctx, func(tx store.Tx) error {
		defer outer.placed()
		from, run := at, run
		if outer.once != nil {
			kept, err := outer.kept(tx)
			if err != nil {
				return err
			}
			if kept != nil && kept.done > at.done {
				next = kept // another, or a run before, has come further
				return nil
			}
		}
		err := each(from, run, func(p *prepared) ([]byte, error) { return m.step(tx, p, false) })
		if next != nil {
			next.changed = true
		}
		tx.Limit(outer.scope)
		switch {
		case err != nil || outer.once == nil:
		case next.done == len(calls):
			err = outer.keepLast(tx, next)
		default:
			err = outer.keepPart(tx, next)
		}
		return err
	})
	return next, err
}

// kept gives how far a batch has come by what is kept of it; nil = nothing is. What has come to its end is the error that answers.
func (c *call) kept(tx store.ReadTx) (*progress, error) {
	err := c.repeated(tx)
	var begun *begunBefore
	if errors.As(err, &begun) {
		return begun.progress, nil
	}
	return nil, err
}

// begunBefore says that a batch was begun and has not come to its end.
type begunBefore struct{ *progress }

func (*begunBefore) Error() string { return "begun before" }

// readProgress reads what keepPart kept.
func readProgress(kept []byte) (*progress, error) {
	for i, b := range kept {
		if b != '\n' {
			continue
		}
		head := strings.Split(string(kept[1:i]), toldBegins)
		done, err := strconv.Atoi(head[0])
		return &progress{done: done, envelopes: kept[i+1:], told: head[1:], changed: true}, err
	}
	return nil, errors.New("what is kept of a batch cannot be read")
}

func (c *call) keepPart(tx store.Tx, p *progress) error {
	head := strings.Join(append([]string{strconv.Itoa(p.done)}, p.told...), toldBegins)
	return c.keepSealed(tx, append(append([]byte{partly}, head+"\n"...), p.envelopes...))
}

// keepLast keeps the answer of a batch that has come to its end, unless another was faster.
func (c *call) keepLast(tx store.Tx, p *progress) error {
	if _, err := c.kept(tx); err != nil {
		return err
	}
	p.kept, c.told = true, p.told
	return c.keep(tx, jsontext.Value("["+string(p.envelopes)+"]"))
}

// placed notes where a panic in a transaction comes from, for that may run on another call's goroutine.
func (c *call) placed() {
	if p := recover(); p != nil {
		c.place = panicPlace()
		panic(p)
	}
}
