package people

import (
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// IdentitySource is the receiver of the methods for identity sources.
type IdentitySource struct{ object.CRUD }

// IdentitySourceType declares the object identitySource.
var IdentitySourceType = object.Declare(&object.Type{
	Name: "identitySource", NotFound: model.IdentitySourceNoun, Limited: object.Reads, Row: func() any { return new(model.IdentitySource) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.SourceDomains, Noun: "domains"}},
	Check:  checkIdentitySource, BeforeDelete: keepInternal,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "type", Kind: object.Enum, When: object.OnCreate, Initial: model.SQLSource, Values: []string{model.SQLSource}, About: "this server keeps its users itself"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "loginNameFormat", Kind: object.Enum, When: object.Always, Initial: model.AccountName, Values: []string{model.AccountName}},
		{Name: "dialPrefix", Kind: object.Text, Rule: model.Name, When: object.Always, About: "kept, without effect"},
		{Name: "dialRemove", Kind: object.Text, Rule: model.Name, When: object.Always, About: "kept, without effect"},
	},
	Collections: []object.Collection{
		{Name: "domains", Alias: "domain", Object: "domain", Steps: []store.Step{store.SourceDomains}},
	},
})

// Create creates an identity source. Another type than sql is refused before anything else, so that the error is not about one of
// the many attributes that only such a type has.
func (m *IdentitySource) Create(r *http.Request, args *object.CreateArgs, plan *dispatch.Plan) error {
	if raw := args.Attrs.Get("type"); raw != nil {
		if kind, err := wire.TextOf("attrs.type", raw); err == nil && kind != model.SQLSource {
			return model.AttrErrorf(model.Invalid, "attrs.type", "this server keeps its users itself: only %s", model.SQLSource)
		}
	}
	return m.CRUD.Create(r, args, plan)
}

func checkIdentitySource(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	if old == nil || old.(*model.IdentitySource).Name == row.(*model.IdentitySource).Name {
		return nil
	}
	return keepInternal(c, tx, old)
}

// keepInternal protects the built-in identity source, which domains have that name none.
func keepInternal(_ *dispatch.Call, _ store.Tx, row any) error {
	if row.(*model.IdentitySource).Name == model.InternalSource {
		return model.Errorf(model.InUse, "identity source %q is that of domains that name none: it keeps its name", model.InternalSource)
	}
	return nil
}

// fromInternal gives a domain without an identity source the built-in one.
func fromInternal(tx store.ReadTx, d *model.Domain) error {
	if d.IdentitySourceID != nil {
		return nil
	}
	found, err := tx.Find(&store.Query{Table: IdentitySourceType.Table, Columns: []store.Column{store.IDColumn}, Limit: 1, Quick: true,
		Where: []store.Cond{{Column: store.Folded("name"), Op: store.Eq, Value: model.Fold(model.InternalSource)}}})
	if err == nil && len(found) > 0 { // only if it was removed by hand is there none
		id := object.AsText(found[0][0])
		d.IdentitySourceID = &id
	}
	return err
}
