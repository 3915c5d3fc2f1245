package store

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"

	"tokensmith/model"
)

// table describes how a domain type is stored. Its columns are the type's db tags, in the same order.
type table struct {
	name    string
	noun    model.Noun // the name of an object in messages to clients
	key     string     // the column that identifies a row
	order   string     // the columns of the primary key
	tree    bool       // parent_id refers to a row of the same table
	calls   bool       // its rows decide who may call the server
	derived bool       // its rows follow from those of other tables, so a dump has none
	columns []string
	fields  []Field // the fields of the type, in the order of the columns
	keyAt   int     // index of the key in columns

	selectFrom   string // the beginning of a SELECT of all columns
	placeholders string // one placeholder for each column
	insertOne    string // INSERT of one row
	saveOne      string // UPDATE of all columns except the key
}

var (
	tables = map[reflect.Type]*table{}
	kept   []*table // all tables; a table comes after those that it refers to
)

// callTables are the tables whose rows decide who may call the server, or ask by RADIUS, and which users and steps they get to. The rows
// of the last three are written by Relate.
var callTables = []string{"agents", "domains", "radius_clients", "applications", "realms", "logon_procedures", "logon_steps",
	"realm_domains", "application_procedures", "logon_step_authenticators"}

// keep declares the table of a type. primary lists the columns of the primary key if it has more than key.
func keep[T any](name string, noun model.Noun, key string, primary ...string) {
	t := newTable(name, key, primary)
	t.noun, t.calls = noun, slices.Contains(callTables, name)
	t.fields = Fields(reflect.TypeFor[T]())
	for _, f := range t.fields {
		t.columns = append(t.columns, f.Column)
	}
	t.prepare()
	t.selectFrom = selectsInOrder[T]("SELECT " + strings.Join(t.columns, ", ") + " FROM " + name).text
	rest := slices.Delete(slices.Clone(t.columns), t.keyAt, t.keyAt+1)
	t.saveOne = "UPDATE " + name + " SET " + strings.Join(rest, " = ?, ") + " = ? WHERE " + key + " = ?"
	t.tree = slices.Contains(t.columns, "parent_id")
	tables[reflect.TypeFor[T]()] = t
	kept = append(kept, t)
}

func newTable(name, key string, primary []string) *table {
	t := &table{name: name, key: key, order: strings.Join(primary, ", ")}
	if t.order == "" {
		t.order = key
	}
	return t
}

// prepare sets the fields that follow from the columns.
func (t *table) prepare() {
	t.keyAt = slices.Index(t.columns, t.key)
	t.placeholders = "(" + strings.TrimSuffix(strings.Repeat("?, ", len(t.columns)), ", ") + ")"
	t.insertOne = "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + t.placeholders
}

// keepBare declares a table without a domain type. Its first columns, as many as primary says, are the primary key.
func keepBare(name string, primary int, columns ...string) {
	t := newTable(name, columns[0], columns[:primary])
	t.columns = columns
	t.prepare()
	kept = append(kept, t)
}

// keepDerived declares a table whose rows triggers write.
func keepDerived(name string, primary int, columns ...string) {
	keepBare(name, primary, columns...)
	kept[len(kept)-1].derived = true
}

func init() {
	keepBare("meta", 1, "name", "value")
	keep[model.Repository]("repositories", model.RepositoryNoun, "id")
	keep[model.IdentitySource]("identity_sources", model.IdentitySourceNoun, "id")
	keep[model.Domain]("domains", model.DomainNoun, "id")
	keep[model.Unit]("units", model.UnitNoun, "id")
	keep[model.User]("users", model.UserNoun, "id")
	keep[model.UserState]("user_states", model.UserNoun, "user_id")
	keep[model.TempPass]("temp_passes", model.TempPassNoun, "id")
	keep[model.Group]("user_groups", model.GroupNoun, "id")
	keep[model.GroupMember]("user_group_members", model.GroupMemberNoun, "user_id", "user_id", "group_id")
	keepBare("user_group_parents", 2, "group_id", "parent_id")
	keep[model.Product]("products", model.ProductNoun, "id")
	keep[model.Token]("tokens", model.TokenNoun, "id")
	keep[model.TokenState]("token_states", model.TokenNoun, "token_id")
	keep[model.SeedMark]("seed_marks", model.SeedMarkNoun, "id")
	keep[model.Assignment]("token_assignments", model.AssignmentNoun, "id")
	keep[model.Template]("templates", model.TemplateNoun, "id")
	keep[model.Delivery]("deliveries", model.DeliveryNoun, "id")
	keep[model.DownloadLink]("download_links", model.LinkNoun, "token_id")
	keep[model.Agent]("agents", model.AgentNoun, "id")
	keep[model.Realm]("realms", model.RealmNoun, "id")
	keepBare("realm_domains", 2, "realm_id", "domain_id")
	keep[model.LogonProcedure]("logon_procedures", model.LogonProcedureNoun, "id")
	keep[model.LogonStep]("logon_steps", model.LogonStepNoun, "id")
	keep[model.Authenticator]("authenticators", model.AuthenticatorNoun, "id")
	keepBare("logon_step_authenticators", 2, "step_id", "authenticator_id")
	keep[model.Application]("applications", model.ApplicationNoun, "id")
	keepBare("application_procedures", 2, "application_id", "procedure_id")
	keepBare("agent_applications", 2, "agent_id", "application_id")
	keepBare("agent_certificates", 1, "hash", "agent_id")
	keepBare("strangers", 1, "slot", "refused_at")
	keepBare("guess_addresses", 1, "slot", "day", "failures")
	keepBare("user_addresses", 2, "user_id", "address", "last_success")
	keep[model.License]("licenses", model.LicenseNoun, "id")
	keep[model.DeviceGroup]("device_groups", model.DeviceGroupNoun, "id")
	keep[model.Device]("devices", model.DeviceNoun, "id")
	keep[model.DeviceGroupMember]("device_group_members", model.DeviceGroupMemberNoun, "device_id", "device_id", "group_id")
	keep[model.ClientToken]("client_tokens", model.ClientTokenNoun, "id")
	keep[model.InstallationCode]("installation_codes", model.InstallationCodeNoun, "id")
	keepBare("installation_code_groups", 2, "code_id", "group_id")
	keepBare("username_numbers", 2, "domain_id", "prefix", "last")
	keep[model.InstallationUse]("installation_uses", model.InstallationUseNoun, "id")
	keep[model.Session]("sessions", model.SessionNoun, "hash")
	keep[model.SignIns]("sign_ins", model.SignInsNoun, "id")
	keep[model.StoredReply]("idempotency_keys", model.AnsweredNoun, "id")
	keep[model.RadiusClient]("radius_clients", model.RadiusClientNoun, "id")
	keep[model.RadiusClientState]("radius_client_states", model.RadiusClientNoun, "client_id")
	keep[model.RadiusNote]("radius_notes", model.RadiusNoteNoun, "id")
	for _, c := range countedTables {
		keepDerived(c.counts, len(c.columns)+1, append(c.columns[:len(c.columns):len(c.columns)], "slot", "n")...)
	}
	keepBare("count_days", 2, "day", "name", "n")
	keep[model.Audit]("audit", model.AuditNoun, "id")
	keep[auditMark]("audit_marks", model.AuditMarkNoun, "number")
}

// tableOf returns the table and the value of a row, which is a pointer to a domain type.
func tableOf(row any) (*table, reflect.Value) {
	v := reflect.ValueOf(row).Elem()
	t := tables[v.Type()]
	if t == nil {
		panic(fmt.Sprintf("store: %T is not kept", row))
	}
	return t, v
}

// values appends the values of a row to args.
func (t *table) values(v reflect.Value, args []any) []any {
	args = slices.Grow(args, len(t.fields))
	for _, f := range t.fields {
		args = append(args, reflectx.FieldByIndexesReadOnly(v, f.Index).Interface())
	}
	return args
}

// valuesLike is values for a row that follows others in args. If a value equals that of the row before, it reuses it instead of
// allocating a new one. In many imports this applies to half of the values.
func (t *table) valuesLike(v reflect.Value, args []any) []any {
	before := len(args) - len(t.fields)
	if before < 0 {
		return t.values(v, args)
	}
	for n, f := range t.fields {
		field := reflectx.FieldByIndexesReadOnly(v, f.Index)
		last := args[before+n]
		var same bool
		switch x := last.(type) {
		case string:
			same = field.String() == x
		case model.Time:
			same = field.Int() == int64(x)
		}
		if !same {
			last = field.Interface()
		}
		args = append(args, last)
	}
	return args
}

func (tx *sqlReadTx) Load(dst any, id string) error {
	t, _ := tableOf(dst)
	return tx.loadWhere(dst, t.key+" = ?", id)
}

// loadWhere reads the one row that matches. If there is none, it returns NotFound.
func (tx *sqlReadTx) loadWhere(dst any, where string, args ...any) error {
	t, v := tableOf(dst)
	if err := tx.reads(t.name); err != nil {
		return err
	}
	err := tx.query(tx.short, t.selectFrom+" WHERE "+where, args, func(rows *sqlx.Rows) error {
		return scanOne(rows, places(v, t.fields, make([]any, len(t.fields)))...)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return model.NotFoundError(t.noun)
	}
	return err
}

// loadAll reads all rows that match.
func loadAll[T any](tx *sqlReadTx, where string, args ...any) (all []T, err error) {
	t := tables[reflect.TypeFor[T]()]
	if err := tx.reads(t.name); err != nil {
		return nil, err
	}
	err = tx.query(tx.short, t.selectFrom+" WHERE "+where, args, func(rows *sqlx.Rows) error {
		all, err = scanAll[T](rows, t.fields)
		return err
	})
	return all, err
}

func (tx *sqlTx) Insert(row any) error {
	t, v := tableOf(row)
	switch row.(type) {
	case *model.RadiusClient, *model.LogonStep: // that there is none of them counts too
		tx.changesCallers()
	}
	if err := tx.writesNew(row); err != nil {
		return err
	}
	_, err := tx.execOftenKnown(t.insertOne, t.values(v, nil)...)
	if err != nil {
		return err
	}
	switch r := row.(type) {
	case *model.Assignment:
		err = tx.DropLink(r.TokenID)
	case *model.TempPass:
		err = tx.countTempPasses(r.UserID)
	}
	return err
}

// saved returns the parameters for saveOne.
func (t *table) saved(v reflect.Value) []any {
	args := t.values(v, nil)
	id := args[t.keyAt]
	return append(slices.Delete(args, t.keyAt, t.keyAt+1), id)
}

func (tx *sqlTx) Save(row any) error {
	t, v := tableOf(row)
	if t.calls {
		tx.changesCallers()
	}
	args := t.saved(v)
	err := tx.writesRow(t.saveOne, keyText(args[len(args)-1]))
	if a, ok := row.(*model.Assignment); ok && err == nil {
		err = tx.writesNew(a) // it may be another user's now
	}
	n := int64(0)
	if err == nil {
		n, err = tx.execOftenKnown(t.saveOne, args...)
	}
	if err == nil && n == 0 {
		err = model.NotFoundError(t.noun)
	}
	return err
}

func (tx *sqlTx) Delete(row any) error {
	t, v := tableOf(row)
	if t.calls {
		tx.changesCallers()
	}
	id := reflectx.FieldByIndexesReadOnly(v, t.fields[t.keyAt].Index).Interface()
	text, n := "DELETE FROM "+t.name+" WHERE "+t.key+" = ?", int64(0)
	err := tx.writesRow(text, keyText(id))
	if err == nil {
		n, err = tx.execKnown(text, id)
	}
	if err == nil && n == 0 {
		err = model.NotFoundError(t.noun)
	}
	if c, ok := row.(*model.TempPass); ok && err == nil {
		err = tx.countTempPasses(c.UserID)
	}
	return err
}

func (tx *sqlTx) InsertMany(rows any, skip bool) (int64, error) {
	v := reflect.ValueOf(rows)
	t := tables[v.Type().Elem()]
	if t == nil {
		panic(fmt.Sprintf("store: %T is not kept", rows))
	}
	for i := range v.Len() {
		if err := tx.writesNew(v.Index(i).Addr().Interface()); err != nil {
			return 0, err
		}
	}
	n, err := tx.insertMany(t, v.Len(), skip, func(i int, args []any) []any { return t.valuesLike(v.Index(i), args) })
	if err != nil {
		return n, err
	}
	switch all := rows.(type) {
	case []model.Assignment:
		err = tx.dropLinks(all)
	case []model.TempPass:
		users := make([]string, len(all))
		for i := range all {
			users[i] = all[i].UserID
		}
		err = tx.countTempPasses(users...)
	}
	return n, err
}

// maxInsertValues is how many values one INSERT has at most. PostgreSQL accepts 65,535, SQLite 32,766.
const maxInsertValues = 1000

// insertMany inserts that many rows into a table, many with one statement; add appends the values of row i. It returns how many
// rows were new. A row that violates a unique index is skipped if skip is set, and is an error otherwise. writes or writesNew must
// be called before.
func (tx *sqlTx) insertMany(t *table, rows int, skip bool, add func(i int, args []any) []any) (total int64, err error) {
	per := max(1, maxInsertValues/len(t.columns))
	var text string // the INSERT for as many rows as the last part had
	args := make([]any, 0, min(per, rows)*len(t.columns))
	for from, last := 0, 0; from < rows; from += last {
		n := min(per, rows-from)
		args = args[:0]
		for i := range n {
			args = add(from+i, args)
		}
		if n != last {
			last = n
			text = t.insertOne + strings.Repeat(", "+t.placeholders, n-1)
			if skip {
				text += " ON CONFLICT DO NOTHING"
			}
		}
		n64, err := tx.execKnown(text, args...)
		if err != nil {
			return 0, err
		}
		total += n64
	}
	return total, nil
}
