package model

// Group is a set of users of one domain. It may be in any number of other groups of the domain, its parents.
type Group struct {
	ID          string `db:"id"`
	DomainID    string `db:"domain_id"`
	Name        string `db:"name"`
	NameFolded  string `db:"name_folded"`
	Description string `db:"description"`
}

// GroupMember says that a user is in a group.
type GroupMember struct {
	UserID  string `db:"user_id"`
	GroupID string `db:"group_id"`
}

// MaxGroupsOfUser is how many groups a user may be in. A login may ask for the names of all of them.
const MaxGroupsOfUser = 1000

// MaxLevels is how many groups, units, repositories or device groups may lie within each other, the outermost and the innermost
// included.
const MaxLevels = 32
