package rpc

import (
	"tokensmith/model"
	"tokensmith/store"
)

// Repository has the methods of repositories.
type Repository struct{ crud }

var repositoryObject = declare(&object{
	name: "repository", missing: model.RepositoryNoun, row: func() any { return new(model.Repository) },
	keys: [][]string{{"name"}}, naming: []string{"id", "name"},
	usedBy: []use{{store.RepositoryTokens, "tokens"}, {store.RepositoriesBelow, "repositories"}},
	check:  checkRepository, removes: keepDefault,
	attrs: []attr{
		{name: "name", kind: text, rule: model.Name, when: always, required: true, indexed: true, about: "unique"},
		{name: "description", kind: text, rule: model.AnyText, when: always, max: 1024},
		{name: "parent", kind: ref, when: always, object: "repository"},
	},
})

// checkRepository refuses a repository that would lie within itself, and another name for the default one.
func checkRepository(c *call, tx store.Tx, _ *decoded, old, row any) error {
	r := row.(*model.Repository)
	if old != nil && old.(*model.Repository).Name != r.Name {
		if err := keepDefault(c, tx, old); err != nil {
			return err
		}
	}
	return checkTree(tx, "repository", r.ID, r.ParentID, func(up *model.Repository) *string { return up.ParentID })
}

// keepDefault keeps the repository for tokens that name none.
func keepDefault(_ *call, _ store.Tx, row any) error {
	if row.(*model.Repository).Name == model.DefaultRepository {
		return model.Errorf(model.InUse, "repository %q is where tokens go that name none: it keeps its name", model.DefaultRepository)
	}
	return nil
}
