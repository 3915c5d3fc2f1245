package store

import (
	"strings"

	"github.com/jmoiron/sqlx"
)

// Scope limits what Find, Count and the look-ups by name see in a transaction. It holds, for each table, the conditions that its
// rows must match wherever a query reads them: as the query's own table, on the path of a condition, and as elements of a
// collection. A table that is not in the Scope has no rows. A nil Scope limits nothing. Load, which is by id, is not limited,
// because callers get ids from Find.
type Scope map[string][]Cond

// Test says how a condition with a path is written in SQL. The result is the same for viaIndex and AnyOf.
type Test uint8

const (
	viaIndex Test = iota // starts at the end of the path: best for what a client searches by
	AnyOf                // starts at each row: best for conditions that only filter
	NoneOf               // starts at each row; no row that the path leads to may match
)

func (tx *sqlReadTx) SetScope(scope Scope) { tx.scope = scope }

func (tx *sqlReadTx) Scope() Scope { return tx.scope }

// nothing matches no row.
var nothing = []Cond{{Column: "id", Op: In, Value: []any{}}}

func (s Scope) of(table string) []Cond {
	if s == nil {
		return nil
	}
	conds, ok := s[table]
	if !ok {
		return nothing
	}
	for _, c := range conds {
		if c.Test == viaIndex && len(c.Path) > 0 {
			panic("store: a scope's condition goes from each row")
		}
	}
	return conds
}

// limited adds the conditions of the scope to conditions on one table. It returns the SQL and all parameters, with lists expanded
// for "IN (?)".
func (tx *sqlReadTx) limited(table, where string, args ...any) (string, []any, error) {
	b := &builder{args: args}
	for _, c := range tx.scope.of(table) {
		where += " AND " + b.cond(table+".", c)
	}
	return sqlx.In(where, b.args...)
}

// exists writes a condition that follows its path from each row. The scope does not apply to its rows, because scopes consist of
// such conditions.
func (b *builder) exists(prefix string, c Cond) string {
	text, at := b.along(prefix, c.Path, nil)
	text += " AND " + b.cond(at, Cond{Column: c.Column, Op: c.Op, Value: c.Value}) + ")"
	if c.Test == NoneOf {
		return "NOT " + text
	}
	return text
}

// leads writes the condition that a path leads, or does not lead, to a row that the scope shows.
func (b *builder) leads(prefix string, c Cond) string {
	first, last := c.Path[0], len(c.Path)-1
	if last == 0 && first.To == "id" && len(b.scope.of(first.Table)) == 0 {
		return prefix + first.From + map[Op]string{None: " IS NULL", Some: " IS NOT NULL"}[c.Op]
	}
	text, _ := b.along(prefix, c.Path, b.scope)
	if c.Op == None {
		return "NOT " + text + ")"
	}
	return text + ")"
}

// along begins an EXISTS over the rows that a path leads to from each row, all limited by the scope. at is the prefix for columns
// of the last table.
func (b *builder) along(prefix string, path []Step, scope Scope) (text, at string) {
	var from, where strings.Builder
	at = prefix
	for i, s := range path {
		alias := "e" + strings.Repeat("e", b.nested)
		b.nested++
		if i == 0 {
			from.WriteString(" FROM " + s.Table + " " + alias)
			where.WriteString(" WHERE " + alias + "." + s.To + " = " + at + s.From)
		} else {
			from.WriteString(" JOIN " + s.Table + " " + alias + " ON " + alias + "." + s.To + " = " + at + s.From)
		}
		at = alias + "."
		conds := scope.of(s.Table)
		if s.Only != nil {
			conds = append([]Cond{*s.Only}, conds...)
		}
		for _, c := range conds {
			where.WriteString(" AND " + b.cond(at, c))
		}
	}
	return "EXISTS (SELECT 1" + from.String() + where.String(), at
}
