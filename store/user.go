package store

import (
	"maps"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// named is a user and one of the user's names.
type named struct {
	ID   string `db:"id"`
	Name string `db:"name"`
}

var selectEmails = selects[named]("SELECT id, email_folded AS name FROM users")

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
	// Start with the users, because few have permissions; there may be millions of tokens. CROSS JOIN makes SQLite keep this
	// order.
	return values[model.List](tx, `SELECT DISTINCT u.permissions FROM users u CROSS JOIN token_assignments a CROSS JOIN tokens t
		WHERE u.permissions > '' AND a.user_id = u.id AND t.id = a.token_id AND t.product_id = ? ORDER BY u.permissions`, productID)
}

func (tx *sqlReadTx) UsersNamed(folded []string) (map[string][]string, error) {
	found := make(map[string][]string, len(folded))
	called, err := tx.UsersCalled(folded)
	if err != nil {
		return nil, err
	}
	visible, err := tx.visible(called)
	if err != nil {
		return nil, err
	}
	var rest []string
	for _, name := range folded {
		fit := slices.DeleteFunc(called[name], func(u NamesOf) bool { return !visible[u.ID] })
		for _, u := range preferred(fit) {
			found[name] = append(found[name], u.ID)
		}
		if len(fit) == 0 {
			rest = append(rest, name)
		}
	}
	err = chunks(rest, func(part []string) error {
		where, args, err := tx.limited("users", "email_folded IN (?)", part)
		if err != nil {
			return err
		}
		rows, err := selectEmails.all(tx, " WHERE "+where, args...)
		for _, u := range rows {
			found[u.Name] = append(found[u.Name], u.ID)
		}
		return err
	})
	return found, err
}

// preferred returns the user in the default domain, if exactly one of the users is there; else all.
func preferred(users []NamesOf) []NamesOf {
	var ours []NamesOf
	for _, u := range users {
		if u.InDefaultDomain {
			ours = append(ours, u)
		}
	}
	if len(ours) == 1 {
		return ours
	}
	return users
}

// visible returns which of the users are in the transaction's scope.
func (tx *sqlReadTx) visible(called map[string][]NamesOf) (map[string]bool, error) {
	visible := map[string]bool{}
	for _, users := range called {
		for _, u := range users {
			visible[u.ID] = tx.scope == nil
		}
	}
	if tx.scope == nil {
		return visible, nil
	}
	err := chunks(slices.Collect(maps.Keys(visible)), func(part []string) error {
		where, args, err := tx.limited("users", "id IN (?)", part)
		if err != nil {
			return err
		}
		ids, err := values[string](tx, "SELECT id FROM users WHERE "+where, args...)
		for _, id := range ids {
			visible[id] = true
		}
		return err
	})
	return visible, err
}
