package store

import "tokensmith/model"

// DomainsByName gives the domains that have one of the names, by folded name.
func (tx *ReadTx) DomainsByName(folded []string) (map[string]model.Domain, error) {
	found := make(map[string]model.Domain, len(folded))
	err := inLists(folded, nil, func(marks string, args []any) error {
		limit, args := tx.limit("domains", args)
		rows, err := loadAll[model.Domain](tx, "name_folded IN ("+marks+")"+limit, args...)
		for _, d := range rows {
			found[d.NameFolded] = d
		}
		return err
	})
	return found, err
}

// UsersByLogin gives a domain's users that have one of the login names, by folded login name.
func (tx *ReadTx) UsersByLogin(domainID string, folded []string) (map[string]model.User, error) {
	found := make(map[string]model.User, len(folded))
	err := inLists(folded, []any{domainID}, func(marks string, args []any) error {
		limit, args := tx.limit("users", args)
		rows, err := loadAll[model.User](tx, "domain_id = ? AND login_name_folded IN ("+marks+")"+limit, args...)
		for _, u := range rows {
			found[u.LoginNameFolded] = u
		}
		return err
	})
	return found, err
}
