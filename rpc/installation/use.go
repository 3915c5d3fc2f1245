package installation

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// UseType declares the object installationUse, a use of an installation code.
var UseType = object.Declare(&object.Type{
	Name: "installationUse", Rows: "installationCode/listUses", NotFound: model.InstallationUseNoun, Row: func() any { return new(model.InstallationUse) },
	Order: "time",
	Attrs: []object.Attr{
		{Name: "time", Kind: object.Date},
		{Name: "device", Kind: object.Ref, Object: "device", About: "null when it is gone"},
		{Name: "user", Kind: object.Ref, Object: "user", About: "null when there is none, or it is gone"},
		{Name: "newUser", Kind: object.Boolean, About: "the account was made by this use"},
		{Name: "generation", Kind: object.Integer, About: "of the code's text"},
		{Name: "hardwareId", Kind: object.Text},
	},
})

// UsesArgs are the parameters of installationCode/listUses: a selection of the code, and those of a search without match.
type UsesArgs struct {
	object.Selection
	object.Paging
}

// ListUses returns who used a code, and when.
func (m *InstallationCode) ListUses(r *http.Request, args *UsesArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	one, err := args.Lookup(m.Type)
	if err != nil {
		return err
	}
	ret := args.Return.Or(wire.ReturnNames("*", "device.id", "device.name", "user.id", "user.loginName"))
	search := &object.SearchArgs{Paging: args.Paging}
	search.Return = ret
	uses, err := object.CRUD{Server: m.Server, Type: UseType}.PrepareSearch(r, search, plan)
	if err != nil {
		return err
	}
	plan.View = func(tx store.ReadTx) (any, error) {
		id, err := m.Type.FindSelected(c, tx, one)
		if err != nil {
			return nil, err
		}
		return uses(tx, store.Cond{Column: store.CodeUses.To, Op: store.Eq, Value: id})
	}
	return nil
}
