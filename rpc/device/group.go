package device

import (
	"fmt"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/tree"
	"tokensmith/store"
)

// DeviceGroup is the receiver of the methods for device groups.
type DeviceGroup struct{ object.CRUD }

// DeviceGroupType declares the object deviceGroup.
var DeviceGroupType = object.Declare(&object.Type{
	Name: "deviceGroup", NotFound: model.DeviceGroupNoun, Limited: object.Reads, Row: func() any { return new(model.DeviceGroup) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.GroupsBelow, Noun: "groups"}},
	Check:  checkDeviceGroup,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.CodeName, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique, compared without case"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "hasChildren", Kind: object.Boolean, Leads: []store.Step{store.GroupsBelow}, About: "whether groups are in it"},
		{Name: "parent", Kind: object.Ref, When: object.Always, Object: "deviceGroup", About: fmt.Sprintf("none = at the top; at most %d levels", model.MaxLevels)},
	},
	Collections: []object.Collection{
		{Name: "devices", Alias: "device", Object: "device", Order: "deviceId", Steps: store.GroupDevices},
	},
})

// checkDeviceGroup returns an error for a group that would lie within itself, or too deep.
func checkDeviceGroup(_ *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	return tree.Check(tx, "device group", old, row.(*model.DeviceGroup), func(g *model.DeviceGroup) (string, *string) { return g.ID, g.ParentID }, store.GroupsBelow)
}
