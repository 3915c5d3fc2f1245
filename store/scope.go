package store

import (
	"strings"

	"github.com/jmoiron/sqlx"
)

// Scope limits what a transaction's Find, Count and look-ups by name see: for each table the conditions its rows must
// fit, wherever a query meets it: as its own table, on the way of a condition, and as elements of a collection. A table
// that a Scope does not name has no rows. A nil Scope limits nothing. Load, by id, is not limited: ids come from Find.
type Scope map[string][]Cond

// Test is how a condition with a path is put to the database. What it finds is the same.
type Test uint8

const (
	viaIndex Test = iota // begins at the far end: right for what a client searches by
	AnyOf                // goes from each row: right for what only filters
	NoneOf               // goes from each row, and no row its path leads to may fit
)

func (tx *sqlReadTx) Limit(scope Scope) { tx.scope = scope }

// nothing fits no row.
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

// limited returns conditions on a table alone with those of the scope, and the parameters of all. Lists are for "IN (?)".
func (tx *sqlReadTx) limited(table, where string, args ...any) (string, []any, error) {
	b := &builder{args: args}
	for _, c := range tx.scope.of(table) {
		where += " AND " + b.cond(table+".", c)
	}
	return sqlx.In(where, b.args...)
}

// exists writes a condition that goes from each row along its path. A scope does not apply within: it is made of these.
func (b *builder) exists(prefix string, c Cond) string {
	text, at := b.along(prefix, c.Path, nil)
	text += " AND " + b.cond(at, Cond{Column: c.Column, Op: c.Op, Value: c.Value}) + ")"
	if c.Test == NoneOf {
		return "NOT " + text
	}
	return text
}

// leads writes whether a path leads to a row that the scope shows.
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

// along begins an EXISTS of the rows to which a path leads from each row, each within the scope; at is the prefix of the last one's columns.
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
