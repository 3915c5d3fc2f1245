package store

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tokensmith/model"
)

// table ties a type of the domain to where it is kept. Its columns are the type's db tags, in their order.
type table struct {
	name  string
	noun  model.Noun // what a client calls it
	key   string     // the column that names a row
	order string     // the columns of the primary key
	tree  bool       // parent_id refers to a row of its own
	calls bool       // it says who may call
	*fields

	selectFrom string // the statement's beginning that reads all columns
	insertOne  string // the statement that writes a new row
	saveOne    string // the one that writes all columns of a row but its key
}

var (
	tables = map[reflect.Type]*table{}
	kept   []*table // every table there is, those that others refer to first
)

// keep declares a table of a type. What together names a row is given when it is more than the key.
func keep[T any](name string, noun model.Noun, key string, primary ...string) {
	t := &table{name: name, noun: noun, key: key, order: strings.Join(primary, ", ")}
	if t.order == "" {
		t.order = key
	}
	typ := reflect.TypeFor[T]()
	t.fields = fieldsOf(typ)
	columns := strings.Join(t.columns, ", ")
	t.selectFrom = "SELECT " + columns + " FROM " + name
	t.insertOne = "INSERT INTO " + name + " (" + columns + ") VALUES (" + marks(len(t.columns)) + ")"
	rest := slices.DeleteFunc(slices.Clone(t.columns), func(c string) bool { return c == key })
	t.saveOne = "UPDATE " + name + " SET " + strings.Join(rest, " = ?, ") + " = ? WHERE " + key + " = ?"
	t.tree = slices.Contains(t.columns, "parent_id")
	t.calls = name == "agents" || name == "domains"
	tables[typ] = t
	kept = append(kept, t)
}

// keepBare declares a table that no type of the domain stands for; its first columns, so many, name a row.
func keepBare(name string, primary int, columns ...string) {
	kept = append(kept, &table{name: name, key: columns[0], order: strings.Join(columns[:primary], ", "), fields: &fields{columns: columns}})
}

func init() {
	keepBare("meta", 1, "name", "value")
	keep[model.Domain]("domains", model.DomainNoun, "id")
	keep[model.User]("users", model.UserNoun, "id")
	keep[model.UserState]("user_states", model.UserNoun, "user_id")
	keep[model.Product]("products", model.ProductNoun, "id")
	keep[model.Repository]("repositories", model.RepositoryNoun, "id")
	keep[model.Token]("tokens", model.TokenNoun, "id")
	keep[model.TokenState]("token_states", model.TokenNoun, "token_id")
	keep[model.Assignment]("token_assignments", model.AssignmentNoun, "id")
	keep[model.Template]("templates", model.TemplateNoun, "id")
	keep[model.Delivery]("deliveries", model.DeliveryNoun, "id")
	keep[model.DownloadLink]("download_links", model.LinkNoun, "token_id")
	keep[model.Agent]("agents", model.AgentNoun, "id")
	keepBare("agent_certificates", 1, "hash", "agent_id")
	keepBare("strangers", 1, "slot", "refused_at")
	keep[model.License]("licenses", model.LicenseNoun, "id")
	keep[model.Group]("device_groups", model.GroupNoun, "id")
	keep[model.Device]("devices", model.DeviceNoun, "id")
	keep[model.GroupMember]("group_members", model.GroupMemberNoun, "device_id", "device_id", "group_id")
	keep[model.ClientToken]("client_tokens", model.ClientTokenNoun, "id")
	keep[model.InstallationCode]("installation_codes", model.InstallationCodeNoun, "id")
	keepBare("installation_code_groups", 2, "code_id", "group_id")
	keepBare("username_numbers", 2, "domain_id", "prefix", "last")
	keep[model.InstallationUse]("installation_uses", model.InstallationUseNoun, "id")
	keep[model.Session]("sessions", model.SessionNoun, "hash")
	keep[model.Answered]("idempotency_keys", model.AnsweredNoun, "id")
	keep[model.Audit]("audit", model.AuditNoun, "id")
	keep[mark]("audit_marks", model.AuditMarkNoun, "number")
}

// tableOf gives the table of a row, a pointer to a type of the domain.
func tableOf(row any) (*table, reflect.Value) {
	v := reflect.ValueOf(row).Elem()
	t := tables[v.Type()]
	if t == nil {
		panic(fmt.Sprintf("store: %T is not kept", row))
	}
	return t, v
}

func (t *table) values(v reflect.Value, args []any) []any {
	args = slices.Grow(args, len(t.index))
	for _, index := range t.index {
		args = append(args, v.FieldByIndex(index).Interface())
	}
	return args
}

// more appends the values of a further row of the same table. One that is like the row before's is not made anew, which
// half of the values of many rows are.
func (t *table) more(v reflect.Value, args []any) []any {
	before := len(args) - len(t.index)
	if before < 0 {
		return t.values(v, args)
	}
	for n, index := range t.index {
		f := v.FieldByIndex(index)
		last := args[before+n]
		var same bool
		switch x := last.(type) {
		case string:
			same = f.String() == x
		case model.Time:
			same = f.Int() == int64(x)
		}
		if !same {
			last = f.Interface()
		}
		args = append(args, last)
	}
	return args
}

// marks gives n placeholders, comma-separated.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// Load reads the row that id names into dst, a pointer to a type of the domain. None is NotFound.
func (tx *ReadTx) Load(dst any, id string) error {
	t, _ := tableOf(dst)
	return tx.loadWhere(dst, t.key+" = ?", id)
}

// loadWhere reads the one row that fits. None is NotFound.
func (tx *ReadTx) loadWhere(dst any, where string, args ...any) error {
	t, _ := tableOf(dst)
	err := tx.get(dst, t.selectFrom+" WHERE "+where, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return model.Missed(t.noun)
	}
	return err
}

// loadAll reads every row that fits.
func loadAll[T any](tx *ReadTx, where string, args ...any) ([]T, error) {
	var rows []T
	err := tx.all(&rows, tables[reflect.TypeFor[T]()].selectFrom+" WHERE "+where, args...)
	return rows, err
}

// Insert writes a new row, given by pointer.
func (tx *Tx) Insert(row any) error {
	t, v := tableOf(row)
	_, err := tx.exec(t.insertOne, t.values(v, nil)...)
	return err
}

// saved gives the values of saveOne.
func (t *table) saved(v reflect.Value) []any {
	args := t.values(v, nil)
	at := slices.Index(t.columns, t.key)
	id := args[at]
	return append(slices.Delete(args, at, at+1), id)
}

// Save writes all columns of an existing row, given by pointer. None is NotFound.
func (tx *Tx) Save(row any) error {
	t, v := tableOf(row)
	if t.calls {
		tx.changesCallers()
	}
	n, err := tx.exec(t.saveOne, t.saved(v)...)
	if err == nil && n == 0 {
		err = model.Missed(t.noun)
	}
	return err
}

// Delete removes a row, given by pointer, and what belongs to it. None is NotFound; one that others refer to is InUse.
func (tx *Tx) Delete(row any) error {
	t, v := tableOf(row)
	if t.calls {
		tx.changesCallers()
	}
	id := v.FieldByIndex(t.index[slices.Index(t.columns, t.key)]).Interface()
	n, err := tx.exec("DELETE FROM "+t.name+" WHERE "+t.key+" = ?", id)
	if err == nil && n == 0 {
		err = model.Missed(t.noun)
	}
	return err
}

// insertMost bounds the values of one statement; PostgreSQL takes 65,535, SQLite 32,766.
const insertMost = 1000

// InsertMany writes rows, many a statement, and gives how many were new. A row that a unique index refuses is
// skipped when skip is set and an error (Exists) otherwise.
func InsertMany[T any](tx *Tx, rows []T, skip bool) (int64, error) {
	t := tables[reflect.TypeFor[T]()]
	per := max(1, insertMost/len(t.columns))
	one := "(" + marks(len(t.columns)) + ")"
	var text string // of as many rows as the last part had
	var total int64
	args := make([]any, 0, min(per, len(rows))*len(t.columns))
	for last := 0; len(rows) > 0; {
		part := rows[:min(per, len(rows))]
		rows = rows[len(part):]
		args = args[:0]
		for i := range part {
			args = t.more(reflect.ValueOf(&part[i]).Elem(), args)
		}
		if len(part) != last {
			last = len(part)
			text = t.insertOne + strings.Repeat(", "+one, last-1)
			if skip {
				text += " ON CONFLICT DO NOTHING"
			}
		}
		n, err := tx.exec(text, args...)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
