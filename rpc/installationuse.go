package rpc

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/store"
)

var installationUseObject = declare(&object{
	name: "installationUse", rows: "installationCode/listUses", missing: model.InstallationUseNoun, row: func() any { return new(model.InstallationUse) },
	order: "time",
	attrs: []attr{
		{name: "time", kind: date},
		{name: "device", kind: ref, object: "device", about: "null when it is gone"},
		{name: "user", kind: ref, object: "user", about: "null when there is none, or it is gone"},
		{name: "newUser", kind: boolean, about: "the account was made by this use"},
		{name: "generation", kind: integer, about: "of the code's text"},
		{name: "hardwareId", kind: text},
	},
})

// UsesArgs are the parameters of installationCode/listUses: the code's selection, and a search's without match.
type UsesArgs struct {
	Selection
	Return Return `json:"return"`
	Sort   Names  `json:"sort"`
	Order  Text   `json:"order"`
	Max    Int    `json:"max"`
	Offset Int    `json:"offset"`
	Cursor *Text  `json:"cursor"`
	Count  *bool  `json:"count"`
}

// ListUses lists who used a code when.
func (m *InstallationCode) ListUses(r *http.Request, args *UsesArgs, plan *Plan) error {
	c := callOf(r.Context())
	one, err := args.sought(m.obj)
	if err != nil {
		return err
	}
	ret := args.Return.or(names("*", "device.id", "device.name", "user.id", "user.loginName"))
	search := &SearchArgs{Return: ret, Sort: args.Sort, Order: args.Order, Max: args.Max, Offset: args.Offset, Cursor: args.Cursor, Count: args.Count}
	uses, err := crud{m.s, installationUseObject}.searching(r, search, plan)
	if err != nil {
		return err
	}
	plan.view = func(tx store.ReadTx) (any, error) {
		id, err := m.obj.pick(c, tx, one)
		if err != nil {
			return nil, err
		}
		return uses(tx, store.Cond{Column: store.CodeUses.To, Op: store.Eq, Value: id})
	}
	return nil
}
