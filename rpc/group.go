package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// Group has the methods of groups of devices.
type Group struct{ crud }

var groupObject = declare(&object{
	name: "group", missing: model.GroupNoun, row: func() any { return new(model.Group) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	usedBy: []use{{store.GroupsBelow, "groups"}},
	check:  checkGroup,
	attrs: []attr{
		{name: "name", kind: text, rule: model.CodeName, when: always, required: true, fold: true, indexed: true, about: "unique, compared without case"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "parent", kind: ref, when: always, object: "group"},
	},
	colls: []collection{
		{name: "devices", alias: "device", object: "device", order: "deviceId", steps: store.GroupDevices},
	},
})

func checkGroup(_ *call, tx store.Tx, _ *decoded, _, row any) error {
	g := row.(*model.Group)
	return checkTree(tx, "group", g.ID, g.ParentID, func(up *model.Group) *string { return up.ParentID })
}
