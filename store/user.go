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

// UsersNamed gives the ids of the users that each name means, by folded name: those with that user principal name, else
// those with that login name, in whatever domain, else those with that e-mail address.
func (tx *ReadTx) UsersNamed(folded []string) (map[string][]string, error) {
	found := make(map[string][]string, len(folded))
	if len(folded) == 0 {
		return found, nil
	}
	wanted := make(map[string]bool, len(folded))
	for _, name := range folded {
		wanted[name] = true
	}
	type user struct {
		ID   string `db:"id"`
		Name string `db:"name"`
	}
	// Principal names have no index of their own: one pass over the users serves all names of a file.
	var rows []user
	if err := tx.all(&rows, "SELECT id, user_principal_name AS name FROM users WHERE user_principal_name <> ''"); err != nil {
		return nil, err
	}
	for _, u := range rows {
		if name := model.Fold(u.Name); wanted[name] {
			found[name] = append(found[name], u.ID)
		}
	}
	for _, column := range []string{"login_name_folded", "email_folded"} {
		var rest []string
		for _, name := range folded {
			if found[name] == nil {
				rest = append(rest, name)
			}
		}
		err := inLists(rest, nil, func(marks string, args []any) error {
			var rows []user
			err := tx.all(&rows, "SELECT id, "+column+" AS name FROM users WHERE "+column+" IN ("+marks+")", args...)
			for _, u := range rows {
				found[u.Name] = append(found[u.Name], u.ID)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
