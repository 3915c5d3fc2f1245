package model

// Unit is a part of an organisation, such as a department. The units of a domain form trees, and a user is in one at most.
type Unit struct {
	ID           string  `db:"id"`
	DomainID     string  `db:"domain_id"`
	ParentID     *string `db:"parent_id"`
	Name         string  `db:"name"`
	NameFolded   string  `db:"name_folded"`
	Description  string  `db:"description"`
	RepositoryID *string `db:"repository_id"` // kept, without effect
}
