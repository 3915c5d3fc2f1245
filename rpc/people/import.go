package people

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/model/seedfile"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// userRow is one row of a user import file. It is decoded once, for creating a user and for changing one; for a change only the
// values in the file are used.
type userRow struct {
	line   int
	domain string // folded
	login  string // folded
	d      *object.Decoded
}

// userColumn returns the name of a column in a user import file; "" if it is unknown. Columns are all attributes that can be set,
// and domain, which is the name of the domain, in any spelling.
func userColumn(name string) string {
	if seedfile.SameColumn("domain", name) || seedfile.SameColumn("domain.name", name) {
		return "domain"
	}
	for known, a := range UserType.ByName {
		if seedfile.SameColumn(known, name) && a.When != object.ReadOnly && a.Kind != object.Ref {
			return a.Name
		}
	}
	return ""
}

// Import creates or updates the users of a CSV file, all or nothing. Its columns are names of attributes. An empty field changes
// nothing.
func (m *User) Import(r *http.Request, args *CSVArgs, plan *dispatch.Plan) error {
	c := dispatch.CallFrom(r.Context())
	csv, err := args.Read()
	if err != nil {
		return err
	}
	table, err := seedfile.ReadUsers(csv.Text, c.Server.Config.ImportRows, userColumn, csv.Ignore...)
	if err != nil {
		return err
	}
	var bad wire.RowErrors
	bad.Take(table.Bad)
	rows := make([]userRow, 0, len(table.Rows))
	seen := map[[2]string]int{}
	for _, row := range table.Rows {
		u, err := readUserRow(table.Columns, row)
		switch {
		case err != nil:
		case csv.DryRun: // hashing is slow, and the hash is not needed
			err, u.d.Extra = checkNewPassword(c, u.d), ""
		default:
			err = prepareUser(r.Context(), c, u.d)
		}
		if err != nil {
			bad.Add(row.Line, "", "%s", strings.TrimPrefix(wire.ClientError(err).Msg, "."))
			continue
		}
		if first, twice := seen[[2]string{u.domain, u.login}]; twice {
			bad.Add(row.Line, "", "the user is already in line %d", first)
			continue
		}
		seen[[2]string{u.domain, u.login}] = row.Line
		rows = append(rows, u)
	}
	plan.Long = true
	plan.Update = func(tx store.Tx) (any, error) {
		b := wire.RowErrors{Rows: slices.Clone(bad.Rows), More: bad.More}
		fresh, changes, err := settleRows(c, tx, rows, &b)
		if err != nil {
			return nil, err
		}
		done := importedUsers{len(fresh) + len(changes), len(fresh), len(changes), nil}
		if csv.DryRun {
			c.DryRun = true
			done.Preview = preview(table)
			return done, nil
		}
		c.SetObject("users", strconv.Itoa(done.Total)+" rows")
		return done, writeRows(c, tx, fresh, changes)
	}
	return nil
}

type importedUsers struct {
	Total   int      `json:"total"`
	Created int      `json:"created"`
	Updated int      `json:"updated"`
	Preview *Preview `json:"preview,omitzero"` // of a dry run
}

// preview returns the first rows of a file, without the passwords in them.
func preview(t *seedfile.UserTable) *Preview {
	p := &Preview{Columns: []string{}, Rows: make([][]string, min(PreviewRows, len(t.Rows)))}
	for i, column := range t.Columns {
		if column == "" {
			continue
		}
		p.Columns = append(p.Columns, column)
		a := UserType.ByName[column]
		for n := range p.Rows {
			value := t.Rows[n].Values[i]
			if value != "" && a != nil && a.Kind == object.Secret {
				value = HiddenField
			}
			p.Rows[n] = append(p.Rows[n], value)
		}
	}
	return p
}

func readUserRow(columns []string, row seedfile.UserRow) (userRow, error) {
	u := userRow{line: row.Line}
	var m wire.Members
	for i, column := range columns {
		field, err := userField(column, row.Values[i])
		switch {
		case err != nil:
			return u, err
		case column == "domain":
			u.domain = model.Fold(field)
		case column != "" && field != "":
			text, err := jsontext.AppendQuote(nil, field)
			if err != nil {
				return u, model.AttrErrorf(model.Invalid, column, "is not UTF-8")
			}
			m = append(m, wire.Member{Name: column, Value: text})
		}
	}
	if u.domain == "" {
		return u, model.AttrErrorf(model.Missing, "domain", "is required")
	}
	var err error
	if u.d, err = UserType.Decode("", m, object.OnCreate, "domain"); err != nil {
		return u, err
	}
	login, _ := object.Given[string](u.d, "loginName")
	u.login = model.Fold(login)
	return u, nil
}

// userField returns a field of a user import file without the changes of a spreadsheet. A password is not changed.
func userField(column, field string) (string, error) {
	a := UserType.ByName[column]
	if column == "" || a != nil && a.Kind == object.Secret {
		return field, nil
	}
	field = model.Cell(field, false)
	switch {
	case column == "domain":
		return model.Name.Check(column, field)
	case a.Kind == object.Boolean:
		return seedfile.Boolean(field), nil
	case a.Rule != model.AnyText && model.SheetFault(field) != "":
		return "", model.AttrErrorf(model.Invalid, column, "%s", seedfile.SheetReason(column, field))
	}
	return field, nil
}

// userChange is a change of an existing user by a row of a file.
type userChange struct {
	line     int
	values   *object.Decoded
	was, now *model.User
}

// settleRows checks the rows and returns the users to create and those to change. It writes nothing. For each domain, it reads
// existing users with a fixed number of queries.
func settleRows(c *dispatch.Call, tx store.Tx, rows []userRow, bad *wire.RowErrors) (fresh []model.User, changes []userChange, err error) {
	var names []string
	for _, u := range rows {
		names = append(names, u.domain)
	}
	domains, err := tx.DomainsByName(slices.Compact(slices.Sorted(slices.Values(names))))
	if err != nil {
		return nil, nil, err
	}
	logins := map[string][]string{}
	for _, u := range rows {
		if d, ok := domains[u.domain]; ok {
			logins[d.ID] = append(logins[d.ID], u.login)
		}
	}
	existing := map[string]map[string]model.User{}
	for id, list := range logins {
		if existing[id], err = tx.UsersByLogin(id, list); err != nil {
			return nil, nil, err
		}
	}
	var keys, principals []string
	for _, u := range rows {
		keys = append(keys, u.login)
		if name, _ := object.Given[string](u.d, "userPrincipalName"); name != "" {
			principals = append(principals, model.Fold(name))
		}
	}
	held, err := holdersOf(tx, principals, slices.Concat(keys, principals))
	if err != nil {
		return nil, nil, err
	}
	for _, u := range rows {
		d, ok := domains[u.domain]
		if !ok {
			bad.Add(u.line, "", "the domain is not defined")
			continue
		}
		row, known := existing[d.ID][u.login]
		var was *model.User // nil if the user is new
		values := u.d
		if known {
			before := row
			values, was = onlyGiven(values), &before
		} else {
			row = model.User{ID: c.NewID(), DomainID: d.ID}
		}
		if err = values.Into(c, tx, &row); err == nil {
			err = checkNamed(c, tx, values, was, &row)
		}
		if err == nil {
			err = held.take(values.Place, &row, was)
		}
		switch {
		case err != nil:
			bad.Add(u.line, "", "%s", strings.TrimPrefix(wire.ClientError(err).Msg, "."))
		case known:
			changes = append(changes, userChange{u.line, values, was, &row})
		default:
			fresh = append(fresh, row)
		}
	}
	return fresh, changes, bad.Err(model.BatchRefused)
}

// writeRows creates and changes users that settleRows returned.
func writeRows(c *dispatch.Call, tx store.Tx, fresh []model.User, changes []userChange) error {
	for _, u := range changes {
		if err := tx.Save(u.now); err != nil {
			if e := wire.ClientError(err); e.Kind == model.NotPermitted {
				err = model.Errorf(e.Kind, "line %d: %s", u.line, e.Msg)
			}
			return err
		}
		if err := afterWriteUser(c, tx, u.values, u.was, u.now); err != nil {
			return err
		}
	}
	states := make([]model.UserState, len(fresh))
	for i := range fresh {
		states[i].UserID = fresh[i].ID
	}
	if _, err := tx.InsertMany(fresh, false); err != nil {
		return err
	}
	_, err := tx.InsertMany(states, false)
	return err
}

// onlyGiven removes the initial values of a new object.
func onlyGiven(d *object.Decoded) *object.Decoded {
	out := *d
	out.Values = slices.DeleteFunc(slices.Clone(d.Values), func(v object.Value) bool { return v.Initial })
	return &out
}
