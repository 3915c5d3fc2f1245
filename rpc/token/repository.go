package token

import (
	"fmt"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/tree"
	"tokensmith/store"
)

// Repository is the receiver of the methods for repositories.
type Repository struct{ object.CRUD }

// RepositoryType declares the object repository.
var RepositoryType = object.Declare(&object.Type{
	Name: "repository", NotFound: model.RepositoryNoun, Limited: object.Reads, Row: func() any { return new(model.Repository) },
	Keys: [][]string{{"name"}}, ShownWhenAmbiguous: []string{"id", "name"},
	UsedBy: []object.Use{{Rows: store.RepositoryTokens, Noun: "tokens"}, {Rows: store.RepositoriesBelow, Noun: "repositories"}, {Rows: store.RepositoryDomains, Noun: "domains"}},
	Check:  checkRepository, BeforeDelete: keepDefault,
	Attrs: []object.Attr{
		{Name: "name", Kind: object.Text, Rule: model.Name, When: object.Always, Required: true, Indexed: true, About: "unique"},
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "parent", Kind: object.Ref, When: object.Always, Object: "repository", About: fmt.Sprintf("none = at the top; at most %d levels", model.MaxLevels)},
	},
})

// checkRepository returns an error for a repository that would lie within itself, or too deep, and for another name of the default
// repository.
func checkRepository(c *dispatch.Call, tx store.Tx, _ *object.Decoded, old, row any) error {
	r := row.(*model.Repository)
	if old != nil && old.(*model.Repository).Name != r.Name {
		if err := keepDefault(c, tx, old); err != nil {
			return err
		}
	}
	return tree.Check(tx, "repository", old, r, func(r *model.Repository) (string, *string) { return r.ID, r.ParentID }, store.RepositoriesBelow)
}

// keepDefault protects the default repository, which is for tokens that name none.
func keepDefault(_ *dispatch.Call, _ store.Tx, row any) error {
	if row.(*model.Repository).Name == model.DefaultRepository {
		return model.Errorf(model.InUse, "repository %q is the default for tokens: it cannot be renamed", model.DefaultRepository)
	}
	return nil
}
