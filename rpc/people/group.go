package people

import (
	"fmt"
	"net/http"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/tree"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// Group is the receiver of the methods for groups of users.
type Group struct{ object.CRUD }

// GroupType declares the object group.
var GroupType = object.Declare(&object.Type{
	Name: "group", NotFound: model.GroupNoun, Limited: object.Changes, Row: func() any { return new(model.Group) },
	Keys: [][]string{{"domain", "name"}}, ShownWhenAmbiguous: []string{"id", "name", "domain.name"},
	Check: checkGroup, AfterWrite: afterWriteGroup,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Fold: true, Indexed: true, About: "unique in its domain, compared without case"},
		{Name: "domain", Kind: object.Ref, When: object.OnCreate, Object: "domain", Indexed: true, About: "required, unless `parents` are given, whose domain it then has"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "hasMembers", Kind: object.Boolean, Leads: store.GroupMembers, About: "whether groups are in it"},
	},
	Collections: []object.Collection{
		{Name: "parents", Alias: "parent", When: object.Always, Object: "group", Same: "domainId", Order: "parentId", Steps: store.GroupParents,
			About: fmt.Sprintf("the groups it is in, of its domain; at most %d levels, none within itself", model.MaxLevels)},
		{Name: "members", Alias: "member", When: object.Always, Object: "group", Same: "domainId", Order: "groupId", Steps: store.GroupMembers, About: "the groups in it"},
		{Name: "users", Alias: "user", When: object.Always, Object: "user", Same: "domainId", Order: "userId", Steps: store.GroupUsers,
			About: "of its domain; more than 1,000 by group/addUsers"},
	},
	EmptyCollections: []string{"policies", "roles", "radiusAttributes"},
	EmptyTexts:       []string{"radiusProfile"},
})

// checkGroup gives a group without a domain that of its parents.
func checkGroup(c *dispatch.Call, tx store.Tx, d *object.Decoded, _, row any) error {
	g := row.(*model.Group)
	if g.DomainID != "" {
		return nil
	}
	parent := ""
	if parents := d.Members("parents"); parents != nil {
		var err error
		if parent, err = parents.First(c, tx); err != nil {
			return err
		}
	}
	if parent == "" {
		return model.AttrErrorf(model.Missing, d.Place+".domain", "is required, or %s.parents is", d.Place)
	}
	var above model.Group
	err := tx.Load(&above, parent)
	g.DomainID = above.DomainID
	return err
}

func afterWriteGroup(_ *dispatch.Call, tx store.Tx, d *object.Decoded, _, row any) error {
	g := row.(*model.Group)
	if d.Members("users") != nil {
		ids, err := usersOf(tx, g.ID)
		if err == nil {
			err = groupsFit(tx, d.Place+".users", ids)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"parents", "members"} {
		if d.Members(name) != nil {
			return checkLevels(tx, g, d.Place+"."+name)
		}
	}
	return nil
}

// usersOf returns the ids of the users of a group whose users were set as a whole.
func usersOf(tx store.ReadTx, groupID string) ([]string, error) {
	to := store.GroupUsers[0]
	rows, err := tx.Find(&store.Query{Table: to.Table, Columns: []store.Column{{Name: store.ToUser.From}}, Limit: object.MaxSearch,
		Where: []store.Cond{{Column: to.To, Op: store.Eq, Value: groupID}}})
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = object.AsText(r[0])
	}
	return ids, err
}

// groupsFit returns an error for users who are now in too many groups.
func groupsFit(tx store.ReadTx, place string, users []string) error {
	id, err := tx.InMoreGroups(users, model.MaxGroupsOfUser)
	if err != nil || id == "" {
		return err
	}
	return model.AttrErrorf(model.Invalid, place, "user %s would be in more than %d groups", id, model.MaxGroupsOfUser)
}

// checkLevels returns an error for a group that lies within itself, and for more levels of groups within each other than there
// may be.
func checkLevels(tx store.ReadTx, g *model.Group, place string) error {
	above, err := levels(tx, g, store.GroupParents, place)
	if err != nil {
		return err
	}
	below, err := levels(tx, g, store.GroupMembers, place)
	if err == nil && above+1+below > model.MaxLevels {
		err = model.AttrErrorf(model.Invalid, place, "the group %q would be one of more than %d levels", g.Name, model.MaxLevels)
	}
	return err
}

// levels returns how many levels of groups a relation leads to from a group, one more than there may be at most.
func levels(tx store.ReadTx, g *model.Group, relation []store.Step, place string) (int, error) {
	n, within, err := tree.Levels(tx, relation[0].Table, relation[0].To, relation[1].From, g.ID)
	if within && err == nil {
		err = model.AttrErrorf(model.Invalid, place, "the group %q would lie within itself", g.Name)
	}
	return n, err
}

// GroupUsersArgs are the parameters of group/addUsers and group/removeUsers.
type GroupUsersArgs struct {
	object.Selection
	Users wire.Selectors `json:"users"`
}

// AddUsers puts users into a group.
func (m *Group) AddUsers(r *http.Request, args *GroupUsersArgs, plan *dispatch.Plan) error {
	return m.withUsers(r, args, plan, func(tx store.Tx, groupID string, users []string) error {
		rows := make([]model.GroupMember, len(users))
		for i, id := range users {
			rows[i] = model.GroupMember{UserID: id, GroupID: groupID}
		}
		if _, err := tx.InsertMany(rows, true); err != nil {
			return err
		}
		return groupsFit(tx, "users", users)
	})
}

// RemoveUsers takes users out of a group.
func (m *Group) RemoveUsers(r *http.Request, args *GroupUsersArgs, plan *dispatch.Plan) error {
	return m.withUsers(r, args, plan, store.Tx.LeaveGroup)
}

// withUsers sets a plan that looks up a group and users of its domain, and calls act with their ids.
func (m *Group) withUsers(r *http.Request, args *GroupUsersArgs, plan *dispatch.Plan, act func(tx store.Tx, groupID string, users []string) error) error {
	if len(args.Users) == 0 {
		return model.AttrErrorf(model.Missing, "users", "is required")
	}
	named, err := UserType.Elements("users", args.Users)
	if err != nil {
		return err
	}
	plan.Long = len(args.Users) > manyUsers
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		var g model.Group
		if err := tx.Load(&g, id); err != nil {
			return nil, err
		}
		users, err := named.Find(c, tx, store.ToDomain.From, g.DomainID)
		if err != nil {
			return nil, err
		}
		c.SetObject(m.Type.Noun, id)
		return nil, act(tx, id, users)
	})
}

const manyUsers = 1000 // more take a while
