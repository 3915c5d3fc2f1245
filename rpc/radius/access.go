package radius

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/login"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// access is an Access-Request while it is decided on.
type access struct {
	server *Server
	client *knownClient
	list   *clientList
	*request
	secret  model.Secret
	from    netip.AddrPort
	message []byte // what tells the request from others: the address, the port, and the whole packet
	id      string // of the note with the reply: a keyed hash of the message

	way     *way
	dialog  *login.Dialog // where the logon stands, by the State of the request
	taken   string        // the id of the note that says so
	state   []byte        // the State of a challenge
	reply   []byte
	replied string // what the reply says, for the count
	kept    bool   // the reply was found
	crowded bool   // there was no place for the comparison of its password
}

// errState is the error for a State that is unknown, used, expired, of another client, or from before its steps were changed.
var errState = model.Errorf(model.Stale, "the State of the request is unknown, used, expired, or of another client or other steps")

// maxPassword is the longest password of PAP, in bytes (RFC 2865, section 5.2).
const maxPassword = 128

// stateBytes is the length of a State: 128 random bits.
const stateBytes = 16

// guessed returns the secret that the password of a request without a Message-Authenticator was probably hidden with: of two secrets,
// the first with which it looks like a text with nothing but NULs behind it, or else the first with which such NULs end it. With
// another secret the bytes are random, and as good as never look so where there are NULs.
func (r *request) guessed(secrets []model.Secret) model.Secret {
	best, most := secrets[0], 0
	for _, secret := range secrets {
		whole := r.unhidden(secret)
		text := bytes.TrimRight(whole, "\x00")
		score := 0
		if len(whole) > 0 && len(text) == 0 {
			score = 5 // an empty password: with another secret, no block is all NULs
		}
		if len(text) > 0 && !bytes.ContainsRune(text, 0) {
			score = 1
			if len(text) < len(whole) {
				score = 2
			}
			if utf8.Valid(text) {
				score += 2
			}
		}
		if score > most {
			best, most = secret, score
		}
	}
	return best
}

// unhidden returns the password of PAP with the NULs that fill it up (RFC 2865, section 5.2); nil if there is none, or it is not one.
func (r *request) unhidden(secret model.Secret) []byte {
	hidden, ok := r.Lookup(rfc2865.UserPassword_Type)
	if !ok || len(hidden) > maxPassword || len(hidden)%md5.Size != 0 {
		return nil
	}
	plain := make([]byte, 0, len(hidden))
	before := r.Authenticator[:]
	for block := range slices.Chunk(hidden, md5.Size) {
		pad := md5.Sum(append(bytes.Clone(secret), before...))
		for i := range block {
			plain = append(plain, block[i]^pad[i])
		}
		before = block
	}
	return plain
}

// password returns the password of PAP. ok is false if there is none, or it is not one.
func (r *request) password(secret model.Secret) (plain model.Secret, ok bool) {
	hidden, ok := r.Lookup(rfc2865.UserPassword_Type)
	if !ok || len(hidden) > maxPassword {
		return nil, false
	}
	plain, err := radius.UserPassword(hidden, secret, r.Authenticator[:])
	return plain, err == nil
}

// decide decides on the request, and sets the reply. There is none if the client is to send the request again.
func (a *access) decide(ctx context.Context) {
	s := a.server
	if way := a.notTaken(); way != "" {
		// A hash of the password cannot be compared with the hash that is kept, and an OTP in it cannot be looked for in a window.
		a.reject(way + " is not taken: the server would have to keep passwords and PINs in a readable form. Set the client to PAP")
		return
	}
	text, ok := a.password(a.secret)
	if !ok {
		a.reject("the request has no password of PAP")
		return
	}
	c := s.core.FrontCall("auth/logon", a.client.agent, a.from.Addr().Unmap().String())
	err := c.RunFront(ctx, func(ctx context.Context) (*dispatch.Plan, error) { return a.prepare(ctx, c, text) })
	if err != nil && !login.Decided(err) {
		a.reply = nil // whatever it says, it was not committed
	}
	switch e := wire.ClientError(err); {
	case a.reply != nil:
	case errors.Is(err, errState):
		a.reject(errState.Error())
		return
	case err == nil, e.Kind == model.Unavailable, e.Kind == model.Internal:
		reason := dropUnavailable
		if a.crowded {
			reason = dropOverload
		}
		s.drop(a.client, a.from, reason) // the client will send the request again
		return
	default:
		a.reject(e.Msg)
		return
	}
	if a.kept {
		s.again.WithLabelValues("after").Inc()
		return
	}
	s.answered.WithLabelValues(a.replied).Inc()
	s.use(a.client, func(u *model.RadiusClientState) {
		switch a.replied {
		case "accept":
			u.Accepted++
		case "reject":
			u.Refused++
			if err != nil {
				u.LastReason = wire.ClientError(err).Msg
			}
		}
	})
}

// reject sets an Access-Reject that no transaction has decided on.
func (a *access) reject(why string) {
	packet, err := a.answer(a.secret, radius.CodeAccessReject, nil)
	if err != nil {
		return
	}
	a.reply, a.replied = packet, "reject"
	a.server.answered.WithLabelValues(a.replied).Inc()
	a.server.use(a.client, func(u *model.RadiusClientState) { u.Refused++; u.LastReason = why })
	if a.client.log.due() {
		a.server.core.Config.Log.Warn().Str("agent", a.client.agent.Name).Str("remote", a.from.Addr().String()).Str("reason", why).Msg("a RADIUS request is refused")
	}
}

// note is what a State stands for. It is kept sealed.
type note struct {
	Client string       `json:"client"`
	Way    []byte       `json:"way"` // way.mark of the steps that Dialog counts
	Dialog login.Dialog `json:"dialog"`
}

// stateID returns the id of the note that a State stands for.
func stateID(state []byte) string {
	sum := sha256.Sum256(state)
	return "s" + noteID(sum[:])
}

// readState reads where the logon stands that the request goes on with, or the reply that is kept for the request.
func (a *access) readState(ctx context.Context, c *dispatch.Call) error {
	a.dialog, a.taken = nil, ""
	state, ok := a.Lookup(rfc2865.State_Type)
	if ok {
		a.taken = stateID(state)
	} else if !a.way.slow() {
		return nil // the decision's transaction looks for the reply
	}
	return a.server.core.Config.Store.View(ctx, func(tx store.ReadTx) error {
		if found, err := a.find(tx, c.Now); found || !ok || err != nil {
			return err
		}
		sealed, err := tx.RadiusNote(a.taken, c.Now)
		if err == nil && sealed == nil {
			err = errState
		}
		if err == nil {
			err = a.open(sealed)
		}
		return err
	})
}

// open unseals a note about a State.
func (a *access) open(sealed []byte) error {
	plain, err := a.server.core.Keys.Unseal(store.RadiusNotePlace(a.taken), sealed)
	if err != nil {
		return err
	}
	var n note
	if err := json.Unmarshal(plain, &n); err != nil {
		return err
	}
	if n.Client != a.client.ID || !bytes.Equal(n.Way, a.way.mark) {
		return errState
	}
	a.dialog = &n.Dialog
	return nil
}

// find sets the reply if one is kept for the request.
func (a *access) find(tx store.ReadTx, now model.Time) (bool, error) {
	ids := []string{a.id}
	if keys := a.server.core.Keys; keys.Several() { // it may have been kept before the key was rotated
		ids = ids[:0]
		for _, mac := range keys.MACs(requestPurpose, a.message) {
			ids = append(ids, noteID(mac))
		}
	}
	for _, id := range ids {
		sealed, err := tx.RadiusNote(id, now)
		if err != nil {
			return false, err
		}
		if sealed != nil {
			a.kept = true
			a.reply, err = a.server.core.Keys.Unseal(store.RadiusNotePlace(id), sealed)
			return true, err
		}
	}
	return false, nil
}

// prepare makes the plan of the decision. It looks first whether the request was decided on already, by whichever process.
func (a *access) prepare(ctx context.Context, c *dispatch.Call, text model.Secret) (*dispatch.Plan, error) {
	nothing := &dispatch.Plan{View: func(store.ReadTx) (any, error) { return nil, nil }, Reads: dispatch.NoStatement}
	var err error
	if a.way, err = a.server.clients.wayOf(ctx, a.client.ApplicationID); err != nil {
		return nil, err
	}
	if err := a.readState(ctx, c); err != nil || a.kept {
		return nothing, err
	}
	if a.state, err = a.server.core.Random(stateBytes); err != nil {
		return nil, err
	}
	if a.way.slow() {
		select {
		case a.server.slow <- struct{}{}:
			defer func() { <-a.server.slow }()
		default:
			a.crowded = true
			return nil, model.UnavailableError(errors.New("too many passwords wait for their comparison"))
		}
	}
	turn := login.Turn{Name: a.text(rfc2865.UserName_Type), Text: text, Steps: a.way.steps, Realm: a.way.users, Before: a.dialog}
	if ip, err := netip.ParseAddr(a.text(rfc2865.CallingStationID_Type)); err == nil && ip.Zone() == "" {
		turn.RemoteIP = ip.String()
	}
	if len(a.client.attributes) > 0 {
		turn.Return = wire.Names{"loginName"}
		if a.client.grouped {
			turn.Return = append(turn.Return, "groups.name")
		}
	}
	plan, err := a.server.auth.Take(ctx, turn, func(tx store.Tx, o *login.Outcome) error { return a.ends(tx, c.Now, o) })
	if err != nil {
		return nil, err
	}
	plan.Shared = plan.Shared && a.taken == "" // or else a State would have been taken before an error
	decide := plan.Update
	plan.Update = func(tx store.Tx) (any, error) {
		a.reply, a.kept = nil, false
		if found, err := a.find(tx, c.Now); found || err != nil {
			c.Unrecorded = true
			return nil, err
		}
		if a.taken != "" {
			sealed, err := tx.TakeRadiusNote(a.taken, c.Now)
			if err == nil && sealed == nil {
				err = errState
			}
			if err != nil {
				return nil, err
			}
		}
		return decide(tx)
	}
	return plan, nil
}

// ends makes the reply to a request that was decided on, and keeps it in the decision's transaction, together with what the State of a
// challenge stands for.
func (a *access) ends(tx store.Tx, now model.Time, o *login.Outcome) error {
	code, attributes := radius.CodeAccessReject, radius.Attributes(nil)
	a.replied = "reject"
	switch {
	case o.Accepted:
		code, a.replied = radius.CodeAccessAccept, "accept"
		attributes = a.granted(o.Returned)
	case o.Next != nil:
		code, a.replied = radius.CodeAccessChallenge, "challenge"
		attributes = a.asking(o)
		plain, err := json.Marshal(note{a.client.ID, a.way.mark, *o.Next})
		if err != nil {
			return err
		}
		id := stateID(a.state)
		sealed := a.server.core.Keys.Seal(store.RadiusNotePlace(id), plain)
		if err := tx.PutRadiusNote(&model.RadiusNote{ID: id, Content: sealed, Expires: now + model.RadiusDialogTime}); err != nil {
			return err
		}
	}
	packet, err := a.answer(a.secret, code, attributes)
	if err != nil {
		return err
	}
	a.reply = packet
	sealed := a.server.core.Keys.Seal(store.RadiusNotePlace(a.id), packet)
	return tx.PutRadiusNote(&model.RadiusNote{ID: a.id, Content: sealed, Expires: now + model.RadiusAnswerTime})
}

// granted returns what an Access-Accept carries.
func (a *access) granted(returned any) radius.Attributes {
	if len(a.client.attributes) == 0 {
		return nil
	}
	var user struct {
		LoginName string   `json:"loginName"`
		Groups    []string `json:"groups.name"`
	}
	text, _ := returned.(jsontext.Value)
	if err := json.Unmarshal(text, &user); err != nil {
		return nil
	}
	return attributesFor(a.client.attributes, user.LoginName, user.Groups)
}

// maxPrompt is the longest text of a challenge, in bytes: two attributes.
const maxPrompt = 2 * maxValue

// asking returns what an Access-Challenge carries: its State, and the text for the user.
func (a *access) asking(o *login.Outcome) radius.Attributes {
	name, echo := promptOf(o)
	t := a.list.prompts[name]
	_, text := t.Fill(map[string]string{"channels": channelList(a.server.auth.Channels())})
	text = strings.TrimSpace(text)
	if len(text) > maxPrompt {
		text = strings.ToValidUTF8(text[:maxPrompt], "")
	}
	all := radius.Attributes{{Type: rfc2865.State_Type, Attribute: bytes.Clone(a.state)}}
	for text != "" {
		n := min(len(text), maxValue)
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		all.Add(rfc2865.ReplyMessage_Type, radius.Attribute(text[:n]))
		text = text[n:]
	}
	shown := rfc2869.Prompt_Value_NoEcho
	if echo {
		shown = rfc2869.Prompt_Value_Echo
	}
	all.Add(rfc2869.Prompt_Type, radius.NewInteger(uint32(shown)))
	return all
}
