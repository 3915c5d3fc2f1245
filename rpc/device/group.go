package device

import (
	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// Group has the methods of groups of devices.
type Group struct{ object.CRUD }

// GroupType declares groups of devices.
var GroupType = object.Declare(&object.Type{
	Name: "group", NotFound: model.GroupNoun, Row: func() any { return new(model.Group) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.GroupsBelow, Noun: "groups"}},
	Check:  checkGroup,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "parent", Kind: object.Ref, When: object.Always, Object: "group"},
	},
	Collections: []object.Collection{
		{Name: "devices", Alias: "device", Object: "device", Order: "deviceId", Steps: store.GroupDevices},
	},
})

func checkGroup(_ *dispatch.Call, tx store.Tx, _ *object.Decoded, _, row any) error {
	g := row.(*model.Group)
	return object.CheckTree(tx, "group", g.ID, g.ParentID, func(up *model.Group) *string { return up.ParentID })
}
