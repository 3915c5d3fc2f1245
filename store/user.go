package store

import (
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// named is a user by one of the user's names.
type named struct {
	ID   string `db:"id"`
	Name string `db:"name"`
}

var (
	selectPrincipals = selects[named]("SELECT id, user_principal_name AS name FROM users")
	selectLoginNames = selects[named]("SELECT id, login_name_folded AS name FROM users")
	selectEmails     = selects[named]("SELECT id, email_folded AS name FROM users")
)

func (tx *sqlReadTx) DomainsByName(folded []string) (map[string]model.Domain, error) {
	found := make(map[string]model.Domain, len(folded))
	err := chunks(folded, func(part []string) error {
		where, args, err := tx.limited("domains", "name_folded IN (?)", part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.Domain](tx, where, args...)
		for _, d := range rows {
			found[d.NameFolded] = d
		}
		return err
	})
	return found, err
}

func (tx *sqlReadTx) UsersByLogin(domainID string, folded []string) (map[string]model.User, error) {
	found := make(map[string]model.User, len(folded))
	err := chunks(folded, func(part []string) error {
		where, args, err := tx.limited("users", "domain_id = ? AND login_name_folded IN (?)", domainID, part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.User](tx, where, args...)
		for _, u := range rows {
			found[u.LoginNameFolded] = u
		}
		return err
	})
	return found, err
}

func (tx *sqlReadTx) Administrators() ([]model.User, error) {
	return loadAll[model.User](tx, "permissions > ''")
}

func (tx *sqlReadTx) PermissionsOf(userIDs, tokenIDs []string) ([]model.List, error) {
	var all []model.List
	for len(userIDs)+len(tokenIDs) > 0 {
		var queries []string
		var args []any
		for _, of := range []struct {
			query string
			ids   *[]string
		}{
			{"SELECT permissions FROM users WHERE permissions <> '' AND id IN (?)", &userIDs},
			{`SELECT u.permissions FROM token_assignments a JOIN users u ON u.id = a.user_id
				WHERE u.permissions <> '' AND a.token_id IN (?)`, &tokenIDs},
		} {
			if part := (*of.ids)[:min(maxChunk, len(*of.ids))]; len(part) > 0 {
				queries, args, *of.ids = append(queries, of.query), append(args, part), (*of.ids)[len(part):]
			}
		}
		query, args, err := sqlx.In(strings.Join(queries, " UNION "), args...)
		if err != nil {
			return nil, err
		}
		found, err := values[model.List](tx, query, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (tx *sqlReadTx) PermissionsOfProduct(productID string) ([]model.List, error) {
	// From the users, of whom few have permissions, and not from the tokens, which may be millions. CROSS JOIN has SQLite keep to it.
	return values[model.List](tx, `SELECT DISTINCT u.permissions FROM users u CROSS JOIN token_assignments a CROSS JOIN tokens t
		WHERE u.permissions > '' AND a.user_id = u.id AND t.id = a.token_id AND t.product_id = ? ORDER BY u.permissions`, productID)
}

func (tx *sqlReadTx) Principals(folded []string) (map[string][]string, error) {
	return tx.principals(folded, "user_principal_name <> ''")
}

// principals are the users of those that fit who have one of the principal names.
func (tx *sqlReadTx) principals(folded []string, fit string, args ...any) (map[string][]string, error) {
	found := make(map[string][]string, len(folded))
	if len(folded) == 0 {
		return found, nil
	}
	wanted := make(map[string]bool, len(folded))
	for _, name := range folded {
		wanted[name] = true
	}
	where, args, err := tx.limited("users", fit, args...)
	if err != nil {
		return nil, err
	}
	rows, err := selectPrincipals.all(tx, " WHERE "+where, args...)
	for _, u := range rows {
		if name := model.Fold(u.Name); wanted[name] {
			found[name] = append(found[name], u.ID)
		}
	}
	return found, err
}

func (tx *sqlReadTx) UsersNamed(folded []string, principals map[string][]string) (map[string][]string, error) {
	found := make(map[string][]string, len(folded))
	var ids []string
	for _, name := range folded {
		ids = append(ids, principals[name]...)
	}
	err := chunks(ids, func(part []string) error {
		still, err := tx.principals(folded, "id IN (?)", part)
		for name, ids := range still {
			found[name] = append(found[name], ids...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, by := range []struct {
		column string
		rows   *selection[named]
	}{{"login_name_folded", selectLoginNames}, {"email_folded", selectEmails}} {
		var rest []string
		for _, name := range folded {
			if found[name] == nil {
				rest = append(rest, name)
			}
		}
		err := chunks(rest, func(part []string) error {
			where, args, err := tx.limited("users", by.column+" IN (?)", part)
			if err != nil {
				return err
			}
			rows, err := by.rows.all(tx, " WHERE "+where, args...)
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
