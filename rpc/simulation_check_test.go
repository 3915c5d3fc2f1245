package rpc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest/promise"
	"tokensmith/model/otp"
	"tokensmith/rpc"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

var revealing = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, m := range rpc.Methods() {
		all[m.Path] = m.Reveals
	}
	return all
})

// found holds what the database is now to what was before and the calls between.
func (w *simulation) found(after promise.Rows, calls []*simulated, when string) {
	before := w.rows
	w.rows = after
	if before == nil {
		return
	}
	asked := make([]promise.Call, len(calls))
	for i, c := range calls {
		asked[i] = w.asPromised(c, before)
	}
	w.held(promise.Whole(after), when)
	w.held(promise.Changed(before, after, asked), when)
	w.held(promise.Recorded(before, after, asked), when)
	w.held(promise.Logins(before, after, asked), when)
	reveals := revealing()
	limited := map[string]bool{}
	for i, c := range calls {
		if c.by.id != "" && !strings.HasPrefix(c.path, "console/") { // anybody may sign out
			w.held(promise.Allowed(before, after, &asked[i], reveals[c.path], c.body, c.reply), when)
		}
		limited[c.by.id] = true
		w.same(c)
		w.signedIn(after, c, len(calls) == 1)
		if c.code == 1 && !c.lost {
			w.breaks("call %d was answered that there is a fault inside: %s", c.number, w.log.String())
		}
	}
	if len(limited) == 1 {
		for id := range limited {
			w.held(promise.Beyond(before, after, id), when)
		}
	}
	w.usedOnce(before, after, calls)
	if len(calls) == 1 {
		w.shows(after, calls[0])
	}
	for _, c := range calls {
		w.learn(c)
	}
}

func (w *simulation) held(broken promise.Broken, when string) {
	for _, b := range broken {
		w.breaks("%s", strings.TrimSpace(b+" "+when))
	}
}

// asPromised is a call as the promises know it.
func (w *simulation) asPromised(c *simulated, before promise.Rows) promise.Call {
	p := promise.Call{Method: c.path, Agent: c.by.id, Now: c.now, Code: c.code, Doubt: c.lost || c.code == 8, Dry: dry(c), Replay: (c.again != nil || c.beside != nil && c.beside.code == 0 && c.beside.changed()) && c.code == 0}
	if p.Doubt {
		p.Replay = false
	}
	if c.by.person {
		p.Session = sessionKey(c.by.secret)
	}
	if c.otp != nil && !strings.HasSuffix(c.path, "syncToken") {
		token := ""
		if c.otp.named {
			token = c.otp.token
		}
		if a, ok := promise.Try(before, seedOfToken, w.passcode, w.codeText, c.otp.user, token, c.otp.text, c.now); ok {
			if by := promise.AgentOf(before, c.by.id); by != nil {
				hidden := by.Hidden(before)
				a.UserHidden = hidden[c.otp.user]
				if token != "" && hidden[token] {
					a.At = nil
				}
			}
			p.Login = a
		}
	}
	if c.inner == nil {
		return p
	}
	codes := c.innerCodes()
	for i, inner := range c.inner {
		q := promise.Call{Method: inner.path, Agent: c.by.id, Dry: dry(inner), Replay: p.Replay}
		if i < len(codes) {
			q.Code = codes[i]
			q.Doubt = q.Code == 8
		} else {
			q.Doubt = p.Doubt
		}
		p.Inner = append(p.Inner, q)
	}
	return p
}

func dry(c *simulated) bool { return strings.Contains(c.body, `"dryRun":true`) }

// same: a call that is made again with its idempotency key is answered what it was answered before, byte for byte, if it changed
// something. Another call with that key is refused.
func (w *simulation) same(c *simulated) {
	if b := c.beside; b != nil && c.code == 0 && b.code == 0 && c.reply != b.reply && (c.changed() || b.changed()) {
		w.breaks("calls %d and %d are the same with one key, and were answered %s and %s", b.number, c.number, b.reply, c.reply)
	}
	if c.other != nil && c.code == 0 && !c.lost {
		w.breaks("call %d succeeded with the key of call %d, which was another", c.number, c.other.number)
	}
	if c.again == nil || c.lost {
		return
	}
	switch c.code {
	case 0:
		if c.reply != c.again.reply {
			w.breaks("call %d is %d again, and was answered %s, not %s", c.number, c.again.number, c.reply, c.again.reply)
		}
	case 4, 5, 7, 8, 17: // of a caller who may do less now, and for what only may succeed later
	default:
		w.breaks("call %d is %d again, which succeeded, and was answered %s", c.number, c.again.number, c.reply)
	}
}

// passcode is what was sent to a user, and for which token. It is read where the server keeps it: messages are not delivered here.
func (w *simulation) passcode(user string, state promise.Row) (code, token string) {
	text, err := w.processes[0].store.Keys().Unseal(store.PasscodePlace(user), state.Bytes("passcode"))
	if err != nil {
		w.breaks("the passcode of user %s: %v", user, err)
		return "", ""
	}
	return string(text[:model.PasscodeDigits]), string(text[model.PasscodeDigits:])
}

// codeText is the text of an emergency code.
func (w *simulation) codeText(id string, code promise.Row) string {
	text, err := w.processes[0].store.Keys().Unseal(store.TempPassPlace(id), code.Bytes("password"))
	if err != nil {
		w.breaks("emergency code %s: %v", id, err)
	}
	return string(text)
}

// sessionKey is the key of a session's row.
func sessionKey(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return `{"base64":"` + base64.StdEncoding.EncodeToString(sum[:]) + `"}`
}

// signedIn: nobody signs in by a wrong password, and who has signed out stays out.
func (w *simulation) signedIn(after promise.Rows, c *simulated, alone bool) {
	if c.code != 0 || c.lost {
		return
	}
	switch {
	case c.path == "console/signIn":
		if strings.Contains(c.body, wrongPassword) {
			w.breaks("call %d signed in with a wrong password", c.number)
		}
		if alone && !promise.PersonOf(after, sessionKey(c.cookie), c.now).Active() {
			w.breaks("call %d signed in, and has no session", c.number)
		}
	case c.by.person && c.path != "console/signOut" && w.signedOut[c.by.secret]:
		w.breaks("call %d was made by who had signed out", c.number)
	}
}

// assignedTo returns the ids of a user's token assignments and emergency codes, sorted.
func assignedTo(rows promise.Rows, user string) string {
	var ids []string
	for _, table := range []string{"token_assignments", "temp_passes"} {
		for id, a := range rows[table] {
			if a.Text("user_id") == user {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, ",")
}

// usedOnce notes the OTPs that were accepted, whatever else the answer was: none is a second time.
func (w *simulation) usedOnce(before, after promise.Rows, calls []*simulated) {
	reset := func() { // also where it is not known whether it was
		for _, c := range calls {
			for _, c := range append([]*simulated{c}, c.inner...) {
				if c.path == "token/reset" {
					w.reset(before, c)
				}
			}
		}
	}
	reset()
	defer reset() // or it was behind what it makes good
	for _, c := range calls {
		if c.otp == nil || c.lost {
			continue
		}
		token := before["tokens"][c.otp.token]
		p := promise.Params(before, token)
		seed := seedOfToken(token)
		codes := strings.Split(c.otp.text, ",")
		switch {
		case strings.HasSuffix(c.path, "syncToken") && c.code == 0:
			if codes[0] != otp.Generate(seed, uint64(c.otp.factor), p) {
				w.breaks("call %d synchronised a token by an OTP that is not its", c.number)
			}
			w.used(seed, p, c.otp.factor, c)
			w.used(seed, p, c.otp.factor+1, c)
		case !strings.HasSuffix(c.path, "syncToken") && c.code == 0:
			a, ok := promise.Try(before, seedOfToken, w.passcode, w.codeText, c.otp.user, map[bool]string{true: c.otp.token}[c.otp.named], c.otp.text, c.now)
			if !ok {
				continue
			}
			var all []promise.At
			for _, at := range a.At {
				if len(at.Factors) > 0 {
					all = append(all, at)
				}
			}
			switch {
			case len(all) == 0 && len(calls) > 1 && assignedTo(before, c.otp.user) != assignedTo(after, c.otp.user):
				// a call at the same time gave the user the token or the code
			case len(a.Codes) > 0: // how often it was used, Logins looks at
			case a.Passcode:
				sealed := string(before["user_states"][c.otp.user]["passcode"])
				if w.passcodes[sealed] {
					w.breaks("call %d logged in with a passcode that was used before", c.number)
				}
				w.passcodes[sealed] = true
			case len(all) == 0:
				w.breaks("call %d logged in with what is no OTP", c.number)
			case len(all) == 1 && len(all[0].Factors) == 1:
				t := before["tokens"][all[0].Token]
				w.used(seedOfToken(t), promise.Params(before, t), all[0].Factors[0], c)
			}
		}
	}
}

func (w *simulation) used(seed []byte, p otp.Params, factor int64, c *simulated) {
	if before, first := w.once.Accepted(seed, p, factor, c.path+" "+c.body); !first {
		w.breaks("call %d: the OTP of %d was accepted before, by %s", c.number, factor, before)
	}
}

// reset forgets what an administrator has made good again.
func (w *simulation) reset(before promise.Rows, c *simulated) {
	var args struct {
		Token struct{ ID string }
		Attrs struct{ Counter *int64 }
	}
	if json.Unmarshal([]byte(c.body), &args) != nil || args.Attrs.Counter == nil {
		return
	}
	if token := before["tokens"][args.Token.ID]; token != nil {
		if p := promise.Params(before, token); p.Algorithm == otp.HOTP {
			w.once.Reset(seedOfToken(token), p, *args.Attrs.Counter)
		}
	}
}

// shows: what was acknowledged is there as it was asked for.
func (w *simulation) shows(after promise.Rows, c *simulated) {
	noun, verb, _ := strings.Cut(c.path, "/")
	o := object.Types[noun]
	if c.code != 0 || c.lost || o == nil || c.again != nil {
		return
	}
	var asked map[string]json.RawMessage
	var attrs map[string]any
	var reply struct{ Result map[string]any }
	if several := (struct{ Result []map[string]any }{}); json.Unmarshal([]byte(c.reply), &several) == nil && len(several.Result) > 0 {
		reply.Result = several.Result[0] // one is like the others
	}
	json.Unmarshal([]byte(c.body), &asked)
	json.Unmarshal(asked["attrs"], &attrs)
	json.Unmarshal([]byte(c.reply), &reply)
	var selected struct{ ID string }
	json.Unmarshal(asked[noun], &selected)
	id := selected.ID
	switch verb {
	case "create":
		id, _ = reply.Result["id"].(string)
	case "set":
	case "delete":
		if after[o.Table][id] != nil && asked["user"] == nil {
			w.breaks("%s %s was deleted and is there", noun, id)
		}
		return
	default:
		return
	}
	row := after[o.Table][id]
	if row == nil {
		w.breaks("%s of %s was acknowledged and it is not there", c.path, id)
		return
	}
	for name, value := range attrs {
		a := o.ByName[name]
		if a == nil || row[a.Column] == nil || a.Path != nil {
			continue
		}
		is, ok := true, true
		switch a.Kind {
		case object.Text, object.Enum:
			text, _ := value.(string)
			is = a.Derive != nil || row.Text(a.Column) == text
		case object.Integer:
			var n float64
			if n, ok = value.(float64); ok {
				is = row.Int(a.Column) == int64(n)
			}
		case object.Boolean:
			is = (row.Int(a.Column) == 1) == (value == true)
		case object.Ref:
			ref, _ := value.(map[string]any)
			is = row.Text(a.Column) == ref["id"]
		}
		if !is {
			w.breaks("%s was acknowledged with %s %v, and it is %s", c.path, name, value, row[a.Column])
		}
	}
}

// learn keeps what later calls may say: texts of replies, secrets, calls to be made again.
func (w *simulation) learn(c *simulated) {
	w.keyed[c.key+" "+c.by.id] = true
	switch {
	case c.code != 0 || c.lost:
	case c.path == "console/signOut":
		w.signedOut[c.by.secret] = true
	case c.path == "console/signIn":
		if s := w.rows["sessions"][sessionKey(c.cookie)]; s != nil {
			w.people = append(w.people[max(0, len(w.people)-3):], agentSecret{s.Text("user_id"), c.cookie, true})
		}
	}
	if c.key != "" && c.again == nil && c.other == nil { // also one that was refused: a refusal that counts is an answer that is kept
		w.kept = slices.DeleteFunc(w.kept, func(k *simulated) bool { return k.key == c.key && k.by.id == c.by.id })
	}
	if c.code != 0 || c.lost {
		if (c.path == "agent/rotateSecret" || c.path == "agent/create") && (c.lost || c.code == 8) {
			w.agents = slices.DeleteFunc(w.agents, func(a agentSecret) bool { return a != w.agents[0] && strings.Contains(c.body, a.id) })
		}
		return
	}
	var reply any
	json.Unmarshal([]byte(c.reply), &reply)
	w.remember(reply)
	if strings.Contains(c.body, `"code":"KEY-`) && c.path == "installationCode/create" {
		var asked struct{ Attrs struct{ Code string } }
		json.Unmarshal([]byte(c.body), &asked)
		w.told["code"] = append(slices.Clip(w.told["code"]), asked.Attrs.Code)
	}
	if c.key != "" && c.again == nil {
		c.until = w.now() + (24 * time.Hour).Milliseconds()
		w.kept = append(w.kept, c)
	}
}

func (w *simulation) remember(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			w.remember(e)
		}
	case map[string]any:
		if id, ok := v["clientId"].(string); ok {
			if secret, ok := v["clientSecret"].(string); ok {
				w.agents = append(slices.DeleteFunc(w.agents, func(a agentSecret) bool { return a.id == id }), agentSecret{id: id, secret: secret})
			}
		}
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if text, ok := v[name].(string); ok && slices.Contains([]string{"clientToken", "code"}, name) {
				w.told[name] = append(slices.Clip(w.told[name]), text)
			}
			w.remember(v[name])
		}
	}
}
