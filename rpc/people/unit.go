package people

import (
	"fmt"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/tree"
	"tokensmith/store"
)

// Unit is the receiver of the methods for units.
type Unit struct{ object.CRUD }

// UnitType declares the object unit.
var UnitType = object.Declare(&object.Type{
	Name: "unit", NotFound: model.UnitNoun, Limited: object.Changes, Row: func() any { return new(model.Unit) },
	Keys: [][]string{{"domain", "parent", "name"}}, ShownWhenAmbiguous: []string{"id", "name", "domain.name", "parent.name"},
	UsedBy: []object.Use{{Rows: store.UnitsBelow, Noun: "units"}, {Rows: store.UnitUsers, Noun: "users"}},
	Check:  checkUnit,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true,
			About: "unique among the units of its domain with the same parent, compared without case"},
		{Name: "domain", Kind: object.Ref, When: object.OnCreate, Object: "domain", Indexed: true, About: "required, unless a `parent` is given, whose domain it then has"},
		{Name: "parent", Kind: object.Ref, When: object.Always, Object: "unit", Same: "domainId", Indexed: true, About: fmt.Sprintf("of its domain; none = at the top; at most %d levels", model.MaxLevels)},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "repository", Kind: object.Ref, When: object.Always, Object: "repository", About: "kept, without effect"},
		{Name: "hasChildren", Kind: object.Boolean, Leads: []store.Step{store.UnitsBelow}, About: "whether units are below it"},
	},
	Collections: []object.Collection{
		{Name: "children", Alias: "child", Object: "unit", Steps: []store.Step{store.UnitsBelow}, About: "the units below it"},
		{Name: "users", Alias: "user", Object: "user", Steps: []store.Step{store.UnitUsers}, About: "those in it, not below it"},
	},
	EmptyCollections: []string{"policies", "radiusAttributes"},
	EmptyTexts:       []string{"radiusProfile"},
})

// checkUnit gives a unit without a domain that of its parent, and returns an error for a unit that would lie within itself, or too deep.
func checkUnit(_ *dispatch.Call, tx store.Tx, d *object.Decoded, old, row any) error {
	u := row.(*model.Unit)
	if u.DomainID == "" {
		if u.ParentID == nil {
			return model.AttrErrorf(model.Missing, d.Place+".domain", "is required, or %s.parent is", d.Place)
		}
		var parent model.Unit
		if err := tx.Load(&parent, *u.ParentID); err != nil {
			return err
		}
		u.DomainID = parent.DomainID
	}
	return tree.Check(tx, "unit", old, u, func(u *model.Unit) (string, *string) { return u.ID, u.ParentID }, store.UnitsBelow)
}
