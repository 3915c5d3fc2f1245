// Package emergency contains emergency codes, which stand for the OTP of a token that its user has lost: it makes, shows, changes,
// sends and deletes them. Package login takes them.
package emergency

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// TempPass is the receiver of the methods for emergency codes.
type TempPass struct{ object.CRUD }

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server) map[string]any {
	return map[string]any{"TempPass": &TempPass{object.CRUD{Server: s, Type: TempPassType}}}
}

// hidden is what is returned in place of a code, except to the call that made it.
const hidden = "****"

// TempPassType declares the object tempPass.
var TempPassType = object.Declare(&object.Type{
	Name: "tempPass", NotFound: model.TempPassNoun, Limited: object.Changes, Row: func() any { return new(model.TempPass) },
	Check: checkChange,
	Attrs: []object.Attr{
		{Name: "user", Kind: object.Ref, When: object.OnCreate, Required: true, Object: "user", Indexed: true},
		{Name: "password", Kind: object.Text, When: object.OnCreate, Max: model.MaxTempPass, From: []string{"id"},
			About: "the code: 6 to 32 printable ASCII characters without space and comma, and unlike the user's other open codes; random digits if not given. " +
				"To give it takes the permission of this exact name, or `*`. " +
				"Only the `return` of create that names it has it, and only with the permission of this exact name, or `*`; everywhere else it is `****`",
			Derive: func(*dispatch.Call, store.Row) (any, error) { return hidden, nil }},
		{Name: "starts", Kind: object.Date, When: object.Always, About: "empty = at once"},
		{Name: "expires", Kind: object.Date, Ends: true, When: object.Always,
			About: "by the domain's emergencyCodeHours if not given, and within its emergencyCodeHoursMost; empty = never, where the domain allows that"},
		{Name: "usageLimit", Kind: object.Integer, When: object.Always, Initial: int64(1), Max: 1_000_000, About: "logins; 0 = any number"},
		{Name: "usedTimes", Kind: object.Integer},
		{Name: "sentTimes", Kind: object.Integer},
		{Name: "dateCreated", Kind: object.Date},
	},
})

// CreateArgs are the parameters of tempPass/create.
type CreateArgs struct {
	object.CreateArgs
	Count wire.Int `json:"count"` // how many codes to make; if given, even as 1, the reply is an array
}

// Create makes emergency codes of a user.
func (m *TempPass) Create(r *http.Request, args *CreateArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	count := 1
	if args.Count.Given {
		if args.Count.Value < 1 || args.Count.Value > model.MaxMadeTempPasses {
			return model.AttrErrorf(model.Invalid, "count", "must be a number from 1 to %d", model.MaxMadeTempPasses)
		}
		count = int(args.Count.Value)
	}
	d, err := m.Type.Decode("attrs", args.Attrs, object.OnCreate)
	if err != nil {
		return err
	}
	typed, _ := object.Given[string](d, "password")
	if typed != "" {
		if count > 1 {
			return model.AttrErrorf(model.Invalid, "attrs.password", "cannot be given for several codes")
		}
		if err := model.CheckTempPass("attrs.password", model.Secret(typed)); err != nil {
			return err
		}
		if !c.RevealSecrets() {
			return model.AttrErrorf(model.NotPermitted, "attrs.password", "not permitted: who types a code knows it, which takes the permission %s by this name, or *", c.Method.Path)
		}
	}
	made := map[string]string{} // the codes by their ids
	declared, shows := m.Type, false
	if slices.ContainsFunc(args.Return, func(i wire.ReturnItem) bool { return i.Name == "password" }) {
		shows = c.RevealSecrets()
		declared = inClear(made, shows)
	}
	p, err := declared.Project(c, args.Return.Or(wire.ReturnNames("id")), "return")
	if err != nil {
		return err
	}
	plan.Update = func(tx store.Tx) (any, error) {
		clear(made)
		like := model.TempPass{DateCreated: c.Now}
		if err := d.Into(c, tx, &like); err != nil {
			return nil, err
		}
		o, err := ownerOf(c, tx, like.UserID)
		if err != nil {
			return nil, err
		}
		if !d.Has("expires") {
			like.Expires = o.domain.TempPassEnds(c.Now)
		}
		if err := o.domain.TempPassFits("attrs.expires", &like); err != nil {
			return nil, err
		}
		if err := endsAfterStart(&like); err != nil {
			return nil, err
		}
		rows, err := o.make(c, &like, count, typed, made)
		if err != nil {
			return nil, err
		}
		if _, err := tx.InsertMany(rows, false); err != nil {
			return nil, err
		}
		ids := make([]any, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
			switch {
			case shows:
				c.Shown = append(c.Shown, m.Type.Noun+" "+rows[i].ID+" shown")
			case typed != "":
				c.Shown = append(c.Shown, m.Type.Noun+" "+rows[i].ID+" typed by the caller")
			case i == 0:
				c.SetObject(m.Type.Noun, rows[i].ID)
			default:
				if err := c.AlsoTouched(tx, m.Type.Noun, rows[i].ID); err != nil {
					return nil, err
				}
			}
		}
		objects, err := p.Rows(tx, store.Query{Table: m.Type.Table, Where: []store.Cond{store.ByIDs(ids)}, Sort: []store.Sort{{Column: store.IDColumn}},
			Limit: int64(len(ids))})
		if err != nil {
			return nil, err
		}
		if !args.Count.Given {
			return jsontext.Value(objects[0]), nil
		}
		return jsontext.Value(slices.Concat([]byte("["), bytes.Join(objects, []byte(",")), []byte("]"))), nil
	}
	return nil
}

// inClear returns the declaration as the call sees it that makes codes: with these codes, given by their ids, or with null in their
// place if the caller may not see them.
func inClear(made map[string]string, may bool) *object.Type {
	o := *TempPassType
	o.Attrs, o.ByName = slices.Clone(o.Attrs), maps.Clone(o.ByName)
	password := &o.Attrs[slices.IndexFunc(o.Attrs, func(a object.Attr) bool { return a.Name == "password" })]
	o.ByName["password"] = password
	password.Derive = func(_ *dispatch.Call, from store.Row) (any, error) {
		if !may {
			return nil, nil
		}
		return made[object.AsText(from[0])], nil
	}
	return &o
}

// owner is a user whose emergency codes are made or changed.
type owner struct {
	user   model.User
	domain model.Domain
	all    []model.TempPass
}

// ownerOf returns a user with the user's codes, if the caller may change them: the answers of the methods here depend on what the
// codes are.
func ownerOf(c *dispatch.Call, tx store.ReadTx, userID string) (o owner, err error) {
	if err = c.CheckUserAccess(tx, userID); err != nil {
		return o, err
	}
	if err = tx.Load(&o.user, userID); err == nil {
		err = tx.Load(&o.domain, o.user.DomainID)
	}
	if err == nil {
		o.all, err = tx.TempPasses(userID)
	}
	return o, err
}

// open returns the texts of the user's open codes, without the one with that id.
func (o *owner) open(c *dispatch.Call, but string) (texts []model.Secret, err error) {
	for i := range o.all {
		code := &o.all[i]
		if code.ID == but || !code.Open(c.Now) {
			continue
		}
		text, err := c.Server.Keys.Unseal(store.TempPassPlace(code.ID), code.Password)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// mayOpen returns an error if the domain does not allow the user that many more open codes than there are.
func (o *owner) mayOpen(open, more int) error {
	if most := o.domain.EmergencyCodesMost; most > 0 && int64(open+more) > most {
		return model.AttrErrorf(model.Invalid, "attrs.user", "has %d open emergency codes, and the domain allows no more than %d", open, most)
	}
	return nil
}

// isOneOf returns whether a text is one of others. Its time does not depend on which.
func isOneOf(text model.Secret, others []model.Secret) (found bool) {
	for _, other := range others {
		found = other.Equal(text) || found
	}
	return found
}

// make returns new codes like one, with the typed text or with random ones, and adds their texts to made.
func (o *owner) make(c *dispatch.Call, like *model.TempPass, count int, typed string, made map[string]string) ([]model.TempPass, error) {
	texts, err := o.open(c, "")
	if err != nil {
		return nil, err
	}
	if err := o.mayOpen(len(texts), count); err != nil {
		return nil, err
	}
	if len(o.all)+count > model.MaxUserTempPasses {
		return nil, model.AttrErrorf(model.Invalid, "attrs.user", "has %d emergency codes, spent ones included, and can have no more than %d: delete some",
			len(o.all), model.MaxUserTempPasses)
	}
	rows := make([]model.TempPass, count)
	for i := range rows {
		text := typed
		for text == "" || typed == "" && isOneOf(model.Secret(text), texts) {
			if text, err = token.NewDigits(c.Server, int(o.domain.EmergencyCodeLength)); err != nil {
				return nil, err
			}
		}
		if isOneOf(model.Secret(text), texts) {
			return nil, model.AttrErrorf(model.Exists, "attrs.password", "is another open emergency code of the user")
		}
		texts = append(texts, model.Secret(text))
		rows[i] = *like
		rows[i].ID = c.NewID()
		rows[i].Password = c.Server.Keys.Seal(store.TempPassPlace(rows[i].ID), []byte(text))
		made[rows[i].ID] = text
	}
	return rows, nil
}

func endsAfterStart(code *model.TempPass) error {
	if code.Starts != 0 && code.Expires != 0 && code.Expires <= code.Starts {
		return model.AttrErrorf(model.Invalid, "attrs.expires", "is not after starts")
	}
	return nil
}

// checkChange returns an error for a change of a code that its domain does not allow. One that ends a code is always allowed.
func checkChange(c *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	was, code := old.(*model.TempPass), row.(*model.TempPass)
	if !code.Open(c.Now) {
		return nil
	}
	o, err := ownerOf(c, tx, code.UserID)
	if err != nil {
		return err
	}
	if d.Has("expires") {
		if err := o.domain.TempPassFits("attrs.expires", code); err != nil {
			return err
		}
	}
	if err := endsAfterStart(code); err != nil || was.Open(c.Now) {
		return err
	}
	texts, err := o.open(c, code.ID)
	if err != nil {
		return err
	}
	if err := o.mayOpen(len(texts), 1); err != nil {
		return err
	}
	text, err := c.Server.Keys.Unseal(store.TempPassPlace(code.ID), code.Password)
	if err == nil && isOneOf(text, texts) {
		err = model.Errorf(model.Exists, "the emergency code is another open one of the user by now")
	}
	return err
}

// Prune deletes the codes that expired long ago (model.TempPassKept). It does so in parts, one transaction each, so that other
// Updates need not wait long.
func Prune(ctx context.Context, s *dispatch.Server) error {
	return s.DropInParts(ctx, func(tx store.Tx, most int) (int64, error) {
		return tx.DropTempPasses(model.At(s.Config.Now())-model.TempPassKept, most)
	})
}
