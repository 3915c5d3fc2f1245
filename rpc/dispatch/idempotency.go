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

// Progress says how far a batch in parts has come. If the batch has an idempotency key, each part that changes something also
// stores the Progress, sealed, in place of the reply (progressMark). A repeat of the batch, at the same time or after a crash,
// continues from there. So each call is carried out once.
type Progress struct {
	Done      int
	Envelopes []byte   // envelopes of the calls that are done, separated by commas
	Told      []string // the objects whose secrets these calls returned
	Changed   bool     // a part was committed
	Kept      bool     // the complete reply is stored
}

// progressMark is the first byte of a stored Progress. No envelope begins with it.
const progressMark = '['

// Add appends the envelope of the next call.
func (p *Progress) Add(envelope []byte) {
	if p.Done++; p.Done > 1 {
		p.Envelopes = append(p.Envelopes, ',')
	}
	p.Envelopes = append(p.Envelopes, envelope...)
}

// Kept returns the stored Progress of a batch; nil if there is none. If the batch is complete, it returns the stored reply as an
// error.
func (c *Call) Kept(tx store.ReadTx) (*Progress, error) {
	err := c.findReply(tx)
	var begun *begunBefore
	if errors.As(err, &begun) {
		return begun.Progress, nil
	}
	return nil, err
}

// begunBefore is the error that says that a batch was begun and is not complete.
type begunBefore struct{ *Progress }

func (*begunBefore) Error() string { return "begun before" }

// readProgress decodes what KeepPart stored.
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

// KeepPart stores how far a batch has come, so that a repeat can continue from there.
func (c *Call) KeepPart(tx store.Tx, p *Progress) error {
	head := strings.Join(append([]string{strconv.Itoa(p.Done)}, p.Told...), toldBegins)
	return c.keepSealed(tx, append(append([]byte{progressMark}, head+"\n"...), p.Envelopes...))
}

// KeepLast stores the reply of a complete batch, unless another run of the batch did so first.
func (c *Call) KeepLast(tx store.Tx, p *Progress) error {
	if _, err := c.Kept(tx); err != nil {
		return err
	}
	p.Kept, c.SecretsTold = true, p.Told
	return c.keep(tx, jsontext.Value("["+string(p.Envelopes)+"]"))
}

// A management call with an Idempotency-Key that changes something is carried out once. Its reply is stored, sealed, in the
// transaction of its change, and a repeat gets the stored reply. A refused call changes nothing. Its reply is not stored, and a
// repeat is a new call. A refused credential is counted, so its reply is stored like that of a change.
const (
	keyHeader  = "Idempotency-Key"
	keyBytes   = 255
	answerLife = 24 * time.Hour
	dropPart   = 1000 // how many rows DropInParts deletes in one transaction
)

// IdempotentCall identifies a call with an idempotency key.
type IdempotentCall struct {
	id      string // hash of the agent and the key
	request []byte // hash of the method, the body and the caller's rights
}

// storedReply is the reply of a call that was carried out before: its envelope, and the objects whose secrets it returned.
type storedReply struct {
	envelope []byte
	told     []string
}

// toldBegins precedes each object whose secret the envelope contains. The byte does not occur in an envelope.
const toldBegins = "\x00"

func (*storedReply) Error() string { return "answered before" }

// setKey sets the idempotency key of a call. Methods that check credentials, and those for devices, have protections of their own
// and ignore the key.
func (c *Call) setKey(key string, body []byte) error {
	if key == "" || c.Method.Device || c.isLogin() {
		return nil
	}
	if len(key) > keyBytes || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return model.AttrErrorf(model.Invalid, keyHeader, "must be at most %d printable ASCII characters", keyBytes)
	}
	id := sha256.Sum256(keyring.Message(c.Agent.ID, key))
	sum := sha256.Sum256(body)
	// The hash includes the caller's permissions and domains. If they have changed, a repeat does not get the reply that was made
	// under the old ones.
	request := sha256.Sum256(keyring.Message(c.Method.Path, sum[:], string(c.Agent.Permissions), string(c.Agent.Domains)))
	c.Idempotent = &IdempotentCall{hex.EncodeToString(id[:]), request[:]}
	return nil
}

// findReply returns, as an error, the stored reply of a call that was carried out before, or a begunBefore; nil if there is
// neither.
func (c *Call) findReply(tx store.ReadTx) error {
	if err := c.Recheck(tx); err != nil {
		return err
	}
	a, err := tx.FindReply(c.Idempotent.id, c.Now)
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

// replayIfStored looks for a stored reply in a snapshot of its own, before the method's prepare step.
func (c *Call) replayIfStored(ctx context.Context) error {
	if c.Idempotent == nil {
		return nil
	}
	return c.replay(ctx, c.Server.Config.Store.ViewOne(ctx, func(tx store.ReadTx) error {
		_, err := c.Kept(tx)
		return err
	}))
}

// replay adds an audit row for a replayed reply if the reply reveals a secret or may do so. If the call may have changed who may
// call, the replay waits as long as the first reply does.
func (c *Call) replay(ctx context.Context, err error) error {
	a := asStoredReply(err)
	if a == nil {
		return err
	}
	if object, _, _ := strings.Cut(c.Method.Path, "/"); object == "agent" || object == "domain" || c.Method.Path == ExecutePath {
		time.Sleep(store.MaxCallerAge) // the first reply may still be waiting for this time
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

// of returns the objects for the audit rows of a replay: those whose secrets the reply contains. For replies stored by older
// versions, the objects are unknown.
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

// SecretsReturned returns the objects whose secrets the call returned or may have returned; none if its method returns no secrets.
func (c *Call) SecretsReturned() []string {
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

// keep stores the reply of a call that changed something.
func (c *Call) keep(tx store.Tx, result any) error {
	envelope, err := EnvelopeOf(result)
	if err != nil {
		return err
	}
	for _, object := range c.SecretsReturned() {
		envelope = append(slices.Clip(envelope), toldBegins+object...)
	}
	return c.keepSealed(tx, envelope)
}

func (c *Call) keepSealed(tx store.Tx, envelope []byte) error {
	return tx.StoreReply(&model.StoredReply{ID: c.Idempotent.id, Request: c.Idempotent.request, Reply: c.Server.Keys.Seal(store.AnswerPlace(c.Idempotent.id), envelope),
		Expires: c.Now + model.Time(answerLife.Milliseconds())})
}

// replay writes the stored reply.
func (a *storedReply) replay(w http.ResponseWriter, c *Call) {
	c.Code = a.code()
	c.answer(w, a.envelope)
}

// code returns the error code of the stored reply.
func (a *storedReply) code() int {
	digits := strings.TrimPrefix(string(a.envelope[:min(len(a.envelope), 24)]), `{"error":`)
	n, _ := strconv.Atoi(digits[:strings.IndexAny(digits, ",}")])
	return n
}

// DropReplies deletes the stored replies that have expired. It does so in parts, one transaction each, so that other Updates need
// not wait long.
func (s *Server) DropReplies(ctx context.Context) error {
	return s.DropInParts(ctx, func(tx store.Tx, most int) (int64, error) { return tx.DropReplies(model.At(s.Config.Now()), most) })
}

// DropInParts calls drop, in one transaction each, until it deletes fewer than the most that it may.
func (s *Server) DropInParts(ctx context.Context, drop func(tx store.Tx, most int) (int64, error)) error {
	for {
		var n int64
		err := s.Config.Store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = drop(tx, dropPart)
			return err
		})
		if err != nil || n < dropPart {
			return err
		}
	}
}

// asStoredReply returns the stored reply that an error contains; nil if it is another error.
func asStoredReply(err error) *storedReply {
	var a *storedReply
	errors.As(err, &a)
	return a
}
