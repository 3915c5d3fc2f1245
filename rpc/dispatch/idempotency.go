package dispatch

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

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/store"
	"tokensmith/store/keyring"
)

// Progress is how far a batch in parts has come. With an idempotency key it is kept, sealed, with each part that changed
// something, under progressMark in place of the answer: whoever repeats the batch, also at the same time or after a crash, goes
// on from there, so that each call is carried out once.
type Progress struct {
	Done      int
	Envelopes []byte   // of those calls, separated by commas
	Told      []string // what they told a secret of
	Changed   bool     // a part was committed
	Kept      bool     // its answer is kept
}

// progressMark begins what is kept of a batch that has not come to its end. No envelope begins so.
const progressMark = '['

// Add appends the envelope of the next call.
func (p *Progress) Add(envelope []byte) {
	if p.Done++; p.Done > 1 {
		p.Envelopes = append(p.Envelopes, ',')
	}
	p.Envelopes = append(p.Envelopes, envelope...)
}

// Kept returns how far a batch has come by what is kept of it; nil = nothing is. What has come to its end is the error that answers.
func (c *Call) Kept(tx store.ReadTx) (*Progress, error) {
	err := c.findReply(tx)
	var begun *begunBefore
	if errors.As(err, &begun) {
		return begun.Progress, nil
	}
	return nil, err
}

// begunBefore says that a batch was begun and has not come to its end.
type begunBefore struct{ *Progress }

func (*begunBefore) Error() string { return "begun before" }

// readProgress reads what KeepPart stored.
func readProgress(kept []byte) (*Progress, error) {
	for i, b := range kept {
		if b != '\n' {
			continue
		}
		head := strings.Split(string(kept[1:i]), toldBegins)
		done, err := strconv.Atoi(head[0])
		return &Progress{Done: done, Envelopes: kept[i+1:], Told: head[1:], Changed: true}, err
	}
	return nil, errors.New("what is kept of a batch cannot be read")
}

// KeepPart stores how far a batch has come, for a repeat to go on from there.
func (c *Call) KeepPart(tx store.Tx, p *Progress) error {
	head := strings.Join(append([]string{strconv.Itoa(p.Done)}, p.Told...), toldBegins)
	return c.keepSealed(tx, append(append([]byte{progressMark}, head+"\n"...), p.Envelopes...))
}

// KeepLast keeps the answer of a batch that has come to its end, unless another was faster.
func (c *Call) KeepLast(tx store.Tx, p *Progress) error {
	if _, err := c.Kept(tx); err != nil {
		return err
	}
	p.Kept, c.SecretsTold = true, p.Told
	return c.keep(tx, jsontext.Value("["+string(p.Envelopes)+"]"))
}

// A changing management call that carries an Idempotency-Key is carried out once: its answer is kept, sealed, in the
// transaction of its change, and a repeat gets it again. A call that was refused changed nothing, so nothing of it is
// kept and a repeat is a new call; a refused credential counts, and is kept like a change.
const (
	keyHeader   = "Idempotency-Key"
	keyBytes    = 255
	answerLife  = 24 * time.Hour
	answersDrop = 1000 // removed in one transaction
)

// IdempotentCall is what a call with an idempotency key is known by.
type IdempotentCall struct {
	id      string // of the agent and the key
	request []byte // hash of the method and the body
}

// storedReply is the answer of a call that was carried out before: its envelope, and what it told a secret of.
type storedReply struct {
	envelope []byte
	told     []string
}

// toldBegins stands between an envelope, which has no such byte, and what it told a secret of, and between two of these.
const toldBegins = "\x00"

func (*storedReply) Error() string { return "answered before" }

// setKey gives a call its idempotency key. Calls that check credentials, and devices', have protections of their own.
func (c *Call) setKey(key string, body []byte) error {
	if key == "" || c.Method.Device || strings.HasPrefix(c.Method.Path, "auth/") {
		return nil
	}
	if len(key) > keyBytes || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return model.AttrErrorf(model.Invalid, keyHeader, "must be at most %d printable ASCII characters", keyBytes)
	}
	id := sha256.Sum256(keyring.Message(c.Agent.ID, key))
	sum := sha256.Sum256(body)
	// Who may less, or sees less, than he did does not get what he was answered then.
	request := sha256.Sum256(keyring.Message(c.Method.Path, sum[:], string(c.Agent.Permissions), string(c.Agent.Domains)))
	c.Idempotent = &IdempotentCall{hex.EncodeToString(id[:]), request[:]}
	return nil
}

// findReply returns the answer, as an error, of a call that was carried out before, or a begunBefore; nil when it was not.
func (c *Call) findReply(tx store.ReadTx) error {
	a, err := tx.Answered(c.Idempotent.id, c.Now)
	if err != nil || a == nil {
		return err
	}
	if string(a.Request) != string(c.Idempotent.request) {
		return model.Errorf(model.KeyReused, "the idempotency key was used for another request")
	}
	envelope, err := c.Server.Keys.Unseal(store.AnswerPlace(a.ID), a.Reply)
	if err != nil {
		return err
	}
	if envelope[0] == progressMark {
		begun, err := readProgress(envelope)
		if err != nil {
			return err
		}
		return &begunBefore{begun}
	}
	parts := strings.Split(string(envelope), toldBegins)
	return &storedReply{[]byte(parts[0]), parts[1:]}
}

// replayIfStored is repeated in a snapshot of its own, before anything is prepared.
func (c *Call) replayIfStored(ctx context.Context) error {
	if c.Idempotent == nil {
		return nil
	}
	return c.replay(ctx, c.Server.Config.Store.ViewOne(ctx, func(tx store.ReadTx) error {
		_, err := c.Kept(tx)
		return err
	}))
}

// replay records that a call was answered again, where the answer reveals a secret or may. One that may have changed who may
// call answers no earlier than the first time.
func (c *Call) replay(ctx context.Context, err error) error {
	a := asStoredReply(err)
	if a == nil {
		return err
	}
	if object, _, _ := strings.Cut(c.Method.Path, "/"); object == "agent" || object == "domain" || c.Method.Path == ExecutePath {
		time.Sleep(store.CallersKept) // for which the first answer may still be waiting
	}
	if !c.Method.Reveals && !c.Method.IssuesSecret && c.Method.Path != ExecutePath {
		return err
	}
	failed := c.Server.Config.Store.Update(ctx, func(tx store.Tx) error {
		for _, object := range a.of() {
			row := model.Audit{Time: c.Now, Agent: c.Agent.Name, Method: c.Method.Path, Object: object, Outcome: int64(a.code()), Remote: c.Remote}
			if err := tx.Audit(&row); err != nil {
				return err
			}
		}
		return nil
	})
	return cmp.Or(failed, err)
}

// of names what an answer told a secret of, for the record: that it told so again. What an older version kept names none.
func (a *storedReply) of() []string {
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

// Tells names what the call told a secret of, or may have; none where it is no such call.
func (c *Call) Tells() []string {
	switch {
	case len(c.SecretsTold) > 0:
		return c.SecretsTold
	case !c.Method.Reveals && !c.Method.IssuesSecret && !c.shows || c.Method.Path == ExecutePath:
		return nil
	case len(c.Shown) > 0:
		return c.Shown
	}
	return []string{c.Object}
}

// keep keeps the answer of a call that changed something.
func (c *Call) keep(tx store.Tx, result any) error {
	envelope, err := EnvelopeOf(result)
	if err != nil {
		return err
	}
	for _, object := range c.Tells() {
		envelope = append(slices.Clip(envelope), toldBegins+object...)
	}
	return c.keepSealed(tx, envelope)
}

func (c *Call) keepSealed(tx store.Tx, envelope []byte) error {
	return tx.KeepAnswer(&model.StoredReply{ID: c.Idempotent.id, Request: c.Idempotent.request, Reply: c.Server.Keys.Seal(store.AnswerPlace(c.Idempotent.id), envelope),
		Expires: c.Now + model.Time(answerLife.Milliseconds())})
}

// replay writes an answer that was given before.
func (a *storedReply) replay(w http.ResponseWriter, c *Call) {
	c.Code = a.code()
	c.answer(w, a.envelope)
}

// code returns the number of an answer.
func (a *storedReply) code() int {
	digits := strings.TrimPrefix(string(a.envelope[:min(len(a.envelope), 24)]), `{"error":`)
	n, _ := strconv.Atoi(digits[:strings.IndexAny(digits, ",}")])
	return n
}

// DropAnswers removes the answers to calls with an idempotency key whose time is over, a part in each transaction so that nobody waits long.
func (s *Server) DropAnswers(ctx context.Context) error {
	for {
		var n int64
		err := s.Config.Store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.DropAnswers(model.At(s.Config.Now()), answersDrop)
			return err
		})
		if err != nil || n < answersDrop {
			return err
		}
	}
}

// asStoredReply returns the answer that an error stands for; nil when it is another error.
func asStoredReply(err error) *storedReply {
	var a *storedReply
	errors.As(err, &a)
	return a
}
