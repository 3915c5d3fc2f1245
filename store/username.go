package store

import (
	"slices"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// NamesOf are a user's names, folded.
type NamesOf struct {
	ID              string `db:"id"`
	DomainID        string `db:"domain_id"`
	LoginName       string `db:"login_name_folded"`
	PrincipalName   string `db:"user_principal_name_folded"`
	InDefaultDomain bool   `db:"is_default"`
}

var selectNames = selects[NamesOf](`SELECT u.id, u.domain_id, u.login_name_folded, u.user_principal_name_folded, d.is_default
	FROM users u JOIN domains d ON d.id = u.domain_id`)

func (tx *sqlReadTx) UsersHaving(logins, principals []string) (found []NamesOf, err error) {
	seen := map[string]bool{}
	for _, by := range []struct {
		column string
		names  []string
	}{{"u.login_name_folded", logins}, {"u.user_principal_name_folded", principals}} {
		err := chunks(by.names, func(part []string) error {
			where, args, err := sqlx.In(" WHERE "+by.column+" IN (?)", part)
			if err != nil {
				return err
			}
			rows, err := selectNames.all(tx, where, args...)
			for _, u := range rows {
				if !seen[u.ID] {
					seen[u.ID] = true
					found = append(found, u)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// asKept returns the form in which a name is stored, or the name itself if the rule for names refuses it.
func asKept(name string) string {
	if clean, reason := model.Name.Clean(name); reason == "" {
		return clean
	}
	return name
}

// spellings returns the names and the forms in which they are stored, each once.
func spellings(names []string) []string {
	all := slices.Clone(names)
	for _, name := range names {
		all = append(all, asKept(name))
	}
	return distinct(all)
}

func (tx *sqlReadTx) DomainsCalled(folded []string) (map[string]model.Domain, error) {
	called := make(map[string]model.Domain, len(folded))
	err := chunks(spellings(folded), func(part []string) error {
		where, args, err := tx.limited("domains", "(name_folded IN (?) OR netbios_name_folded IN (?) OR dns_name_folded IN (?))", part, part, part)
		if err != nil {
			return err
		}
		rows, err := loadAll[model.Domain](tx, where, args...)
		for _, d := range rows {
			for _, name := range []string{d.NameFolded, d.NetbiosNameFolded, d.DNSNameFolded} {
				if name != "" && slices.Contains(part, name) {
					called[name] = d
				}
			}
		}
		return err
	})
	found := make(map[string]model.Domain, len(folded))
	for _, name := range folded {
		d, ok := called[name]
		if !ok {
			d, ok = called[asKept(name)]
		}
		if ok {
			found[name] = d
		}
	}
	return found, err
}

func (tx *sqlReadTx) UsersCalled(folded []string) (map[string][]NamesOf, error) {
	var domains, logins, principals []string
	for _, name := range folded {
		n := model.ParseUserName(name)
		if n.Name == "" {
			continue
		}
		if n.InDomain {
			domains = append(domains, n.Domain)
		}
		logins = append(logins, n.Name)
		if n.MayBePrincipal() {
			principals = append(principals, n.Name)
		}
	}
	// What a name means does not depend on the caller. Users outside the caller's scope are removed from the result later.
	scope := tx.scope
	tx.scope = nil
	known, err := tx.DomainsCalled(distinct(domains))
	tx.scope = scope
	if err != nil {
		return nil, err
	}
	users, err := tx.UsersHaving(spellings(logins), spellings(principals))
	if err != nil {
		return nil, err
	}
	byLogin, byPrincipal := map[string][]NamesOf{}, map[string][]NamesOf{}
	for _, u := range users {
		byLogin[u.LoginName] = append(byLogin[u.LoginName], u)
		if u.PrincipalName != "" {
			byPrincipal[u.PrincipalName] = append(byPrincipal[u.PrincipalName], u)
		}
	}
	found := make(map[string][]NamesOf, len(folded))
	for _, name := range folded {
		n := model.ParseUserName(name)
		if len(byLogin[n.Name]) == 0 && len(byPrincipal[n.Name]) == 0 {
			n.Name = asKept(n.Name)
		}
		if n.Name == "" {
			continue
		}
		fit := slices.Clone(byLogin[n.Name])
		var principal []NamesOf
		// A principal name that two users have means neither. A database may contain such a pair from before these were refused.
		if same := byPrincipal[n.Name]; n.MayBePrincipal() && len(same) == 1 {
			principal = same
		}
		if !n.InDomain {
			// If the principal name is also another user's login name, it means only that other user, as it did before somebody
			// had it as principal name.
			if len(fit) == 0 {
				fit = slices.Clone(principal)
			}
		} else {
			elsewhere := func(u NamesOf) bool { return u.DomainID != known[n.Domain].ID }
			if fit = slices.DeleteFunc(fit, elsewhere); len(fit) == 0 {
				fit = slices.DeleteFunc(slices.Clone(principal), elsewhere)
			}
		}
		if len(fit) > 0 {
			found[name] = fit
		}
	}
	return found, nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// resolve replaces conditions on user names that are more than login names by conditions on user ids. Other conditions stay as
// they are, and cost nothing.
func (tx *sqlReadTx) resolve(conds []Cond) ([]Cond, error) {
	resolved := conds
	for i, c := range conds {
		name := c.calledBy()
		if c.Op != Calls || model.IsBareName(name) {
			continue
		}
		users, err := tx.UsersCalled([]string{name})
		if err != nil {
			return nil, err
		}
		c.Column, c.Op = "id", In
		ids := make([]any, 0, len(users[name]))
		for _, u := range users[name] {
			ids = append(ids, u.ID)
		}
		if c.Value = ids; len(ids) == 1 {
			c.Op, c.Value = Eq, ids[0]
		}
		if &resolved[0] == &conds[0] {
			resolved = slices.Clone(conds)
		}
		resolved[i] = c
	}
	return resolved, nil
}

// CalledIn returns the domain in a condition's user name; false if it has none.
func (c *Cond) CalledIn() (domain string, ok bool) {
	if c.Op != Calls {
		return "", false
	}
	n := model.ParseUserName(c.calledBy())
	return n.Domain, n.InDomain
}

// calledBy returns the name that a condition compares with, as it was given.
func (c *Cond) calledBy() string {
	if n, ok := c.Value.(Naming); ok {
		return n.Given
	}
	name, _ := c.Value.(string)
	return name
}

// InDefaultDomain restricts conditions that name users to users of the default domain; it returns false if none names users. It
// is used when a name matches several users.
func InDefaultDomain(conds []Cond) (narrowed []Cond, ok bool) {
	narrowed = slices.Clone(conds)
	for _, c := range conds {
		if c.Op == Calls {
			path := append(slices.Clone(c.Path), ToDomain)
			narrowed = append(narrowed, Cond{Path: path, Column: "is_default", Op: Eq, Value: true})
		}
	}
	return narrowed, len(narrowed) > len(conds)
}

var selectShared = selects[named]("SELECT u.id, u.user_principal_name AS name FROM users u")

func (tx *sqlReadTx) SharedPrincipals(after string, limit int) (names map[string]string, last string, err error) {
	// Read the next users by id and not by result, so that no call reads all users.
	ids, err := values[string](tx, "SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	if err != nil || len(ids) == 0 {
		return nil, "", err
	}
	last = ids[len(ids)-1]
	rows, err := selectShared.all(tx, ` WHERE u.id > ? AND u.id <= ? AND u.user_principal_name_folded <> '' AND (
		EXISTS (SELECT 1 FROM users o WHERE o.user_principal_name_folded = u.user_principal_name_folded AND o.id <> u.id) OR
		EXISTS (SELECT 1 FROM users o WHERE o.login_name_folded = u.user_principal_name_folded AND o.id <> u.id))`, after, last)
	names = make(map[string]string, len(rows))
	for _, u := range rows {
		names[u.ID] = u.Name
	}
	return names, last, err
}

// principal is a user's principal name, and its folded form as stored.
type principal struct {
	ID     string `db:"id"`
	Name   string `db:"user_principal_name"`
	Folded string `db:"user_principal_name_folded"`
}

var selectPrincipals = selects[principal]("SELECT id, user_principal_name, user_principal_name_folded FROM users")

// foldPrincipalNames folds the names that SQL did not fold as model.Fold does: those with non-ASCII characters and, in a database
// whose language is Turkish, some others.
func foldPrincipalNames(tx *sqlTx) error {
	for after := ""; ; {
		rows, err := selectPrincipals.all(&tx.sqlReadTx, " WHERE id > ? AND user_principal_name <> '' ORDER BY id LIMIT ?", after, maxChunk)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, u := range rows {
			after = u.ID
			if folded := model.Fold(u.Name); folded != u.Folded {
				if _, err := tx.execOften("UPDATE users SET user_principal_name_folded = ? WHERE id = ?", folded, u.ID); err != nil {
					return err
				}
			}
		}
	}
}

// personName is what foldNames reads of a user: a later schema has more columns than this one.
type personName struct {
	ID          string `db:"id"`
	First       string `db:"first_name"`
	FirstFolded string `db:"first_name_folded"`
	Last        string `db:"last_name"`
	LastFolded  string `db:"last_name_folded"`
}

var selectPersonNames = selects[personName]("SELECT id, first_name, first_name_folded, last_name, last_name_folded FROM users")

// foldNames folds the first and last names that SQL did not fold as model.Fold does.
func foldNames(tx *sqlTx) error {
	for after := ""; ; {
		users, err := selectPersonNames.all(&tx.sqlReadTx, " WHERE id > ? AND (first_name <> '' OR last_name <> '') ORDER BY id LIMIT ?", after, maxChunk)
		if err != nil || len(users) == 0 {
			return err
		}
		for _, u := range users {
			after = u.ID
			first, last := model.Fold(u.First), model.Fold(u.Last)
			if first == u.FirstFolded && last == u.LastFolded {
				continue
			}
			if _, err := tx.execOften("UPDATE users SET first_name_folded = ?, last_name_folded = ? WHERE id = ?", first, last, u.ID); err != nil {
				return err
			}
		}
	}
}
