package store

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"

	"tokensmith/model"
)

// Query selects rows of one table. Its table and column names come from declarations in the code, never from a client. Its values
// are always parameters.
type Query struct {
	Table   string
	Columns []Column
	Where   []Cond // all must hold
	Sort    []Sort
	After   []any // the values of Sort of the row to continue after; nil to begin at the start
	Limit   int64 // 0 returns no rows
	Offset  int64
	Quick   bool // an index serves the query, so it is too short to be canceled with its caller's ctx

	scope Scope // of the transaction it runs in
}

// Step leads from a row to the rows of another table whose column To equals the row's column From. If Only is set, it leads only
// to those whose column has that value. Only has an effect in conditions that an index serves (see Test), and must be nil
// elsewhere.
type Step struct {
	From, Table, To string
	Only            *Cond
}

// Column is a column of the row itself, or of the row that its path leads to. The path leads to at most one row.
type Column struct {
	Path []Step
	Name string
	Zero any // the value to sort by if the path leads to no row

	// If Leads is set, the value is not that of a column, but whether these steps lead from the row to any row that the scope
	// shows. SQLite returns it as an integer.
	Leads []Step
}

// Sort is one key of the sort order.
type Sort struct {
	Column
	Desc bool
}

// Op is the operator of a condition.
type Op string

// The operators. Text is compared by code point. The value of Like is a pattern in which % stands for any text. None and Some
// take no value: they test whether the path leads to no row, or to some row, and ignore the column.
const (
	Eq       Op = "="
	Ne       Op = "!="
	Lt       Op = "<"
	Le       Op = "<="
	Gt       Op = ">"
	Ge       Op = ">="
	In       Op = "in"
	NotIn    Op = "not in"
	StartsOn Op = "starts"
	EndsOn   Op = "ends"
	Like     Op = "like"
	None     Op = "none"
	Some     Op = "some"

	// Calls applies to a user's folded login name. It matches the users that the value means in any of the forms in which users
	// are named (see UsersCalled).
	Calls Op = "calls"
)

// Cond is a condition on a column of the row itself, or of any of the rows that its path leads to.
type Cond struct {
	Path   []Step
	Column string
	Op     Op
	Value  any // []any for In and NotIn; a Naming counts as a text, also in a list
	Test   Test
}

// Naming is a text that names a row. A row that was stored before the rule for names may have a name that the rule would change.
// A row with exactly the name Given is meant; if there is none, the row with the name Kept.
type Naming struct {
	Table, Column string // where the name is stored
	Given, Kept   string
}

// Named returns the value for a condition on a column of a table. It matches the name as given or, if no row has it, in the form
// in which it would be stored.
func Named(table, column, given, kept string) any {
	if given == kept {
		return kept
	}
	return Naming{table, column, given, kept}
}

// Row is the values of a row, in the order of Query.Columns. Each is a string, an int64, a bool or nil.
type Row []any

func (tx *sqlReadTx) Find(q *Query) (found []Row, err error) {
	err = tx.Each(q, func(row Row) error {
		found = append(found, append(make(Row, 0, len(row)), row...))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (tx *sqlReadTx) Each(q *Query, fn func(Row) error) error {
	if err := q.check(); err != nil {
		return err
	}
	if err := tx.reads(q.Table); err != nil {
		return err
	}
	limited := *q
	limited.scope = tx.scope
	where, err := tx.resolve(q.Where)
	if err != nil {
		return err
	}
	limited.Where = where
	text, args, err := limited.Select()
	if err == nil {
		err = fit(args)
	}
	if err != nil {
		return err
	}
	ctx := tx.short
	if !q.Quick {
		var end context.CancelFunc
		ctx, end = tx.searching()
		defer end()
	}
	row, places := make(Row, len(q.Columns)), make([]any, len(q.Columns))
	for i := range row {
		places[i] = &row[i]
	}
	var stopped error // fn's error, which is no error of the statement
	err = tx.query(ctx, text, args, func(rows *sqlx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				return err
			}
			if stopped = fn(row); stopped != nil {
				return nil
			}
		}
		return rows.Err()
	})
	return cmp.Or(err, stopped)
}

func (tx *sqlReadTx) Count(q *Query) (int64, error) {
	if err := q.check(); err != nil {
		return 0, err
	}
	if err := tx.reads(q.Table); err != nil {
		return 0, err
	}
	conds, err := tx.resolve(q.Where)
	if err != nil {
		return 0, err
	}
	b := &builder{scope: tx.scope}
	text, args, err := b.statement(b.counting(q.Table, conds) + b.where(q.Table, conds))
	if err == nil {
		err = fit(args)
	}
	if err != nil {
		return 0, err
	}
	var n int64
	ctx, end := tx.searching()
	defer end()
	err = tx.query(ctx, text, args, func(rows *sqlx.Rows) error { return scanOne(rows, &n) })
	return n, err
}

// Both databases accept these in one statement. SQLite accepts 32,766 parameters and expressions 1,000 deep, PostgreSQL 65,535
// parameters.
const (
	maxParams = 32_000
	maxConds  = 500
	maxSort   = 50
)

// MaxPattern is how many bytes the value of EndsOn or Like may have, after its special characters are escaped. It is the limit of
// SQLite's LIKE.
const MaxPattern = 50_000

// TooLong returns whether the condition's pattern is longer than MaxPattern.
func (c *Cond) TooLong() bool {
	text, ok := c.Value.(string)
	if !ok || c.Op != EndsOn && c.Op != Like || len(text) < MaxPattern/2 {
		return false
	}
	_, isStart := c.starts(text)
	return !isStart && len(c.pattern(text)) > MaxPattern
}

// starts returns whether a pattern only gives the beginning of a text, which needs no LIKE.
func (c *Cond) starts(text string) (start string, ok bool) {
	start, rest, any := strings.Cut(text, "%")
	return start, c.Op == Like && any && rest == ""
}

// pattern returns the pattern for LIKE.
func (c *Cond) pattern(text string) string {
	if c.Op == EndsOn {
		return "%" + likeText(text)
	}
	parts := strings.Split(text, "%")
	for i := range parts {
		parts[i] = likeText(parts[i])
	}
	return strings.Join(parts, "%")
}

// check refuses a query that is too large for one of the databases, before its SQL is built.
func (q *Query) check() error {
	values := len(q.Sort) * (len(q.Sort) + 3) // the most that After and the sort order need
	for _, c := range q.Where {
		values++
		if list, ok := c.Value.([]any); ok {
			values += len(list)
		}
		if c.TooLong() {
			return model.Errorf(model.Invalid, "a pattern is longer than %d bytes", MaxPattern)
		}
	}
	if len(q.Where) > maxConds || len(q.Sort) > maxSort || values > maxParams {
		return errTooMany
	}
	return nil
}

// fit refuses too many parameters, those of a scope included.
func fit(args []any) error {
	if len(args) > maxParams {
		return errTooMany
	}
	return nil
}

var errTooMany = model.Errorf(model.Invalid, "the search has too many conditions or values")

func (tx *sqlReadTx) Exists(s Step, of any) (bool, error) {
	n, err := value[int64](tx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM "+s.Table+" WHERE "+s.To+" = ? LIMIT 1) AS found", of)
	return n > 0, err
}

// Select returns the SQL of a query and its parameters.
func (q *Query) Select() (string, []any, error) {
	b := &builder{scope: q.scope}
	columns := make([]string, len(q.Columns))
	for i, c := range q.Columns {
		columns[i] = b.column(c)
	}
	keys := make([]string, len(q.Sort))
	for i, s := range q.Sort {
		keys[i] = b.column(s.Column)
	}
	where := b.where(q.Table, q.Where)
	// The parameters must be in the order of the SQL: conditions, After, sort order.
	if q.After != nil {
		where += b.after(q, keys, where == "")
	}
	order := ""
	for i, s := range q.Sort {
		key := b.sortKey(s.Column, keys[i])
		if s.Desc {
			key += " DESC"
		}
		if order != "" {
			order += ", "
		}
		order += key
	}
	text := "SELECT " + strings.Join(columns, ", ") + " FROM " + q.Table + " t0" + b.joins.String() + where
	if order != "" {
		text += " ORDER BY " + order
	}
	text += " LIMIT ?"
	b.args = append(b.args, q.Limit)
	if q.Offset > 0 {
		text += " OFFSET ?"
		b.args = append(b.args, q.Offset)
	}
	return b.statement(text)
}

// builder collects joins and parameters while the SQL is built.
type builder struct {
	joins   strings.Builder
	aliases map[string]string
	args    []any
	scope   Scope
	nested  int  // number of EXISTS so far, for their aliases
	lists   bool // some of args are lists
}

// statement returns the SQL and its parameters, with lists expanded.
func (b *builder) statement(text string) (string, []any, error) {
	if !b.lists {
		return text, b.args, nil
	}
	return sqlx.In(text, b.args...)
}

// column returns a column's name in the SQL, and adds the joins of its path.
func (b *builder) column(c Column) string {
	alias, path := "t0", ""
	for _, s := range c.Path {
		path += "/" + s.From + "/" + s.Table + "/" + s.To
		next, ok := b.aliases[path]
		if !ok {
			if b.aliases == nil {
				b.aliases = map[string]string{}
			}
			next = "t" + strconv.Itoa(len(b.aliases)+1)
			b.aliases[path] = next
			b.joins.WriteString(" LEFT JOIN " + s.Table + " " + next + " ON " + next + "." + s.To + " = " + alias + "." + s.From)
		}
		alias = next
	}
	if c.Leads != nil {
		return b.leads(alias+".", Cond{Path: c.Leads, Op: Some})
	}
	return alias + "." + c.Name
}

// sortKey returns a sort expression without NULL for a joined column, because databases sort NULL differently.
func (b *builder) sortKey(c Column, name string) string {
	if len(c.Path) == 0 {
		return name
	}
	b.args = append(b.args, c.Zero)
	return "COALESCE(" + name + ", ?)"
}

func (b *builder) where(table string, conds []Cond) string {
	text := ""
	conds = append(conds[:len(conds):len(conds)], b.scope.of(table)...)
	for i, c := range conds {
		if i == 0 {
			text = " WHERE "
		} else {
			text += " AND "
		}
		text += b.cond("t0.", c)
	}
	return text
}

// unique lists the columns with names of rows that other rows refer to. At most one row has each value.
var unique = map[string]bool{"domains.name_folded": true, "repositories.name": true, "device_groups.name_folded": true}

// cond writes a condition. A path becomes nested IN (SELECT ...), for which both databases use an index.
func (b *builder) cond(prefix string, c Cond) string {
	if c.Op == None || c.Op == Some {
		return b.leads(prefix, c)
	}
	if c.Test != viaIndex {
		return b.exists(prefix, c)
	}
	if n := len(c.Path); n > 0 {
		if last := c.Path[n-1]; last.To == "id" && c.Column == "id" && last.Only == nil && len(b.scope.of(last.Table)) == 0 {
			// The value is already in the referring column, so the row that it refers to need not be read.
			return b.cond(prefix, Cond{Path: c.Path[:n-1], Column: last.From, Op: c.Op, Value: c.Value})
		}
		s, only := c.Path[0], ""
		if s.Only != nil {
			only = b.cond("", *s.Only) + " AND "
		}
		for _, limit := range b.scope.of(s.Table) {
			only += b.cond(s.Table+".", limit) + " AND "
		}
		in := " IN "
		if n == 1 && c.Op == Eq && unique[s.Table+"."+c.Column] {
			in = " = " // with IN, SQLite would make a temporary table, and sort rows that an index returns in order
		}
		return prefix + s.From + in + "(SELECT " + s.To + " FROM " + s.Table + " WHERE " + only +
			b.cond("", Cond{Path: c.Path[1:], Column: c.Column, Op: c.Op, Value: c.Value}) + ")"
	}
	name := prefix + c.Column
	add := func(text string, values ...any) string {
		b.args = append(b.args, values...)
		return text
	}
	switch c.Op {
	case Eq, Ne, Lt, Le, Gt, Ge:
		return name + " " + string(c.Op) + " " + b.value(c.Value)
	case Calls:
		return name + " = " + b.value(c.Value) // a bare login name; other forms were replaced by resolve
	case In:
		if len(c.Value.([]any)) == 0 {
			return "FALSE"
		}
		return name + " IN (" + b.list(c.Value.([]any)) + ")"
	case NotIn:
		if len(c.Value.([]any)) == 0 {
			return "TRUE"
		}
		b.lists = true
		return add(name+" NOT IN (?)", c.Value)
	case StartsOn:
		// A range can use an index; LIKE cannot.
		from := c.Value.(string)
		if to := successor(from); to != "" {
			return add("("+name+" >= ? AND "+name+" < ?)", from, to)
		}
		return add(name+" >= ?", from)
	case EndsOn:
		return add(name+" LIKE ? ESCAPE '!'", c.pattern(c.Value.(string)))
	case Like:
		if start, ok := c.starts(c.Value.(string)); ok {
			return b.cond(prefix, Cond{Column: c.Column, Op: StartsOn, Value: start})
		}
		return add(name+" LIKE ? ESCAPE '!'", c.pattern(c.Value.(string)))
	}
	panic("store: no such comparison: " + string(c.Op))
}

// value writes a value of a comparison.
func (b *builder) value(v any) string {
	n, ok := v.(Naming)
	if !ok {
		b.args = append(b.args, v)
		return "?"
	}
	text := "COALESCE((SELECT MIN(" + n.Column + ") FROM " + n.Table + " WHERE "
	for _, limit := range b.scope.of(n.Table) {
		text += b.cond(n.Table+".", limit) + " AND "
	}
	b.args = append(b.args, n.Given, n.Kept)
	return text + n.Column + " = ?), ?)"
}

// list writes the values of a list. The plain ones become one parameter, which statement expands.
func (b *builder) list(values []any) string {
	var plain []any
	var texts []string
	for _, v := range values {
		if _, ok := v.(Naming); ok {
			texts = append(texts, b.value(v))
		} else {
			plain = append(plain, v)
		}
	}
	if len(plain) > 0 {
		b.lists = true
		b.args = append(b.args, plain)
		texts = append(texts, "?")
	}
	return strings.Join(texts, ", ")
}

var likeText = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace

// successor returns the smallest text that is greater than every text that starts with s; "" if there is none.
func successor(s string) string {
	runes := []rune(s)
	for i := len(runes) - 1; i >= 0; i-- {
		switch r := runes[i]; {
		case r == '\U0010FFFF':
			continue
		case r == 0xD7FF: // skip the surrogates, which are not valid in text
			runes[i] = 0xE000
		default:
			runes[i]++
		}
		return string(runes[:i+1])
	}
	return ""
}

// after writes the condition to continue after a row: (a > ?) OR (a = ? AND b > ?) OR ...
func (b *builder) after(q *Query, keys []string, first bool) string {
	var alternatives []string
	for i, s := range q.Sort {
		var terms []string
		for j := range i {
			terms = append(terms, b.sortKey(q.Sort[j].Column, keys[j])+" = ?")
			b.args = append(b.args, q.After[j])
		}
		op := " > ?"
		if s.Desc {
			op = " < ?"
		}
		terms = append(terms, b.sortKey(s.Column, keys[i])+op)
		b.args = append(b.args, q.After[i])
		alternatives = append(alternatives, "("+strings.Join(terms, " AND ")+")")
	}
	lead := " AND "
	if first {
		lead = " WHERE "
	}
	return lead + "(" + strings.Join(alternatives, " OR ") + ")"
}
