package model

// Repository is a place tokens are kept in.
type Repository struct {
	ID          string  `db:"id"`
	Name        string  `db:"name"`
	Description string  `db:"description"`
	ParentID    *string `db:"parent_id"`
}

// DefaultRepository is the name of the repository a new database has.
const DefaultRepository = "default"
