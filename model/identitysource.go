package model

// IdentitySource is where the users of domains come from. All users are rows of this server's database, so that several sources
// are labels for domains and nothing more.
type IdentitySource struct {
	ID              string `db:"id"`
	Type            string `db:"type"` // SQLSource
	Name            string `db:"name"`
	NameFolded      string `db:"name_folded"`
	Description     string `db:"description"`
	LoginNameFormat string `db:"login_name_format"` // AccountName
	DialPrefix      string `db:"dial_prefix"`       // kept, without effect
	DialRemove      string `db:"dial_remove"`       // kept, without effect
}

const (
	// SQLSource is the type of a source whose users are kept in this server's database.
	SQLSource = "sql"
	// AccountName is the format of login names.
	AccountName = "ACCOUNT_NAME"
	// InternalSource is the name of the source in a new database, which domains have that name none.
	InternalSource = "internal"
)

// NewInternalSource returns the source of a new database, without an id.
func NewInternalSource() *IdentitySource {
	return &IdentitySource{Type: SQLSource, Name: InternalSource, NameFolded: Fold(InternalSource), LoginNameFormat: AccountName}
}
