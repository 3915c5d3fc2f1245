package rpc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tokensmith/model"
	"tokensmith/store"
)

// A changing management call that carries an Idempotency-Key is carried out once: its answer is kept, sealed, in the
// transaction of its change, and a repeat gets it again. A call that was refused changed nothing, so nothing of it is
// kept and a repeat is a new call; a refused credential counts, and is kept like a change.
const (
	keyHeader   = "Idempotency-Key"
	keyBytes    = 255
	answerLife  = 24 * time.Hour
	answersDrop = 1000 // removed in one transaction
)

// once is what a call with an idempotency key is known by.
type once struct {
	id      string // of the agent and the key
	request []byte // hash of the method and the body
}

// answered is the answer of a call that was carried out before: its envelope, and what it told a secret of.
type answered struct {
	envelope []byte
	told     []string
}

// toldBegins stands between an envelope, which has no such byte, and what it told a secret of, and between two of these.
const toldBegins = "\x00"

func (*answered) Error() string { return "answered before" }

// carry gives a call its idempotency key. Calls that check credentials, and devices', have protections of their own.
func (c *call) carry(key string, body []byte) error {
	if key == "" || c.method.device || strings.HasPrefix(c.method.path, "auth/") {
		return nil
	}
	if len(key) > keyBytes || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return model.AttrErrorf(model.Invalid, keyHeader, "must be at most %d printable ASCII characters", keyBytes)
	}
	id := sha256.Sum256(store.Message(c.agent.ID, key))
	sum := sha256.Sum256(body)
	// Who may less, or sees less, than he did does not get what he was answered then.
	request := sha256.Sum256(store.Message(c.method.path, sum[:], string(c.agent.Permissions), string(c.agent.Domains)))
	c.once = &once{hex.EncodeToString(id[:]), request[:]}
	return nil
}

// repeated gives the answer, as an error, of a call that was carried out before, or a begunBefore; nil when it was not.
func (c *call) repeated(tx store.ReadTx) error {
	a, err := tx.Answered(c.once.id, c.now)
	if err != nil || a == nil {
		return err
	}
	if string(a.Request) != string(c.once.request) {
		return model.Errorf(model.KeyReused, "the idempotency key was used for another request")
	}
	envelope, err := c.s.keys.Unseal(store.AnswerPlace(a.ID), a.Reply)
	if err != nil {
		return err
	}
	if envelope[0] == partly {
		begun, err := readProgress(envelope)
		if err != nil {
			return err
		}
		return &begunBefore{begun}
	}
	parts := strings.Split(string(envelope), toldBegins)
	return &answered{[]byte(parts[0]), parts[1:]}
}

// before is repeated in a snapshot of its own, before anything is prepared.
func (c *call) before(ctx context.Context) error {
	if c.once == nil {
		return nil
	}
	return c.again(ctx, c.s.cfg.Store.ViewOne(ctx, func(tx store.ReadTx) error {
		_, err := c.kept(tx)
		return err
	}))
}

// again records that a call was answered again, where the answer reveals a secret or may. One that may have changed who may
// call answers no earlier than the first time.
func (c *call) again(ctx context.Context, err error) error {
	a := asAnswered(err)
	if a == nil {
		return err
	}
	if object, _, _ := strings.Cut(c.method.path, "/"); object == "agent" || object == "domain" || c.method.path == executePath {
		time.Sleep(store.CallersKept) // for which the first answer may still be waiting
	}
	if !c.method.reveals && !c.method.hands && c.method.path != executePath {
		return err
	}
	failed := c.s.cfg.Store.Update(ctx, func(tx store.Tx) error {
		for _, object := range a.of() {
			row := model.Audit{Time: c.now, Agent: c.agent.Name, Method: c.method.path, Object: object, Outcome: int64(a.code()), Remote: c.remote}
			if err := tx.Audit(&row); err != nil {
				return err
			}
		}
		return nil
	})
	return cmp.Or(failed, err)
}

// of names what an answer told a secret of, for the record: that it told so again. What an older version kept names none.
func (a *answered) of() []string {
	const again = "answered again"
	if len(a.told) == 0 {
		return []string{again}
	}
	objects := make([]string, len(a.told))
	for i, object := range a.told {
		objects[i] = strings.TrimSpace(object + " " + again)
	}
	return objects
}

// tells names what the call told a secret of, or may have; none where it is no such call.
func (c *call) tells() []string {
	switch {
	case len(c.told) > 0:
		return c.told
	case !c.method.reveals && !c.method.hands && !c.shows || c.method.path == executePath:
		return nil
	case len(c.shown) > 0:
		return c.shown
	}
	return []string{c.object}
}

// keep keeps the answer of a call that changed something.
func (c *call) keep(tx store.Tx, result any) error {
	envelope, err := envelopeOf(result)
	if err != nil {
		return err
	}
	for _, object := range c.tells() {
		envelope = append(slices.Clip(envelope), toldBegins+object...)
	}
	return c.keepSealed(tx, envelope)
}

func (c *call) keepSealed(tx store.Tx, envelope []byte) error {
	return tx.KeepAnswer(&model.Answered{ID: c.once.id, Request: c.once.request, Reply: c.s.keys.Seal(store.AnswerPlace(c.once.id), envelope),
		Expires: c.now + model.Time(answerLife.Milliseconds())})
}

// again writes an answer that was given before.
func (a *answered) again(w http.ResponseWriter, c *call) {
	c.code = a.code()
	c.answer(w, a.envelope)
}

// code gives the number of an answer.
func (a *answered) code() int {
	digits := strings.TrimPrefix(string(a.envelope[:min(len(a.envelope), 24)]), `{"error":`)
	n, _ := strconv.Atoi(digits[:strings.IndexAny(digits, ",}")])
	return n
}

// DropAnswers removes the answers to calls with an idempotency key whose time is over, a part in each transaction so that nobody waits long.
func (s *core) DropAnswers(ctx context.Context) error {
	for {
		var n int64
		err := s.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.DropAnswers(model.At(s.cfg.Now()), answersDrop)
			return err
		})
		if err != nil || n < answersDrop {
			return err
		}
	}
}

// asAnswered gives the answer that an error stands for; nil when it is another error.
func asAnswered(err error) *answered {
	var a *answered
	errors.As(err, &a)
	return a
}
