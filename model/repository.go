package model

// Repository is a place in which tokens are stored, such as a shelf. Repositories form a tree.
type Repository struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	Description string  `db:"description"`
	ParentID    *string `db:"parent_id"`
}

// DefaultRepository is the name of the repository in a new database.
const DefaultRepository = "default"
