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
	var from strings.Builder
	at, where := prefix, ""
	for i, s := range c.Path {
		alias := "e" + strings.Repeat("e", b.nested)
		b.nested++
		from.WriteString(map[bool]string{true: " FROM ", false: " JOIN "}[i == 0] + s.Table + " " + alias)
		if i == 0 {
			where = alias + "." + s.To + " = " + at + s.From
		} else {
			from.WriteString(" ON " + alias + "." + s.To + " = " + at + s.From)
		}
		at = alias + "."
	}
	test := "EXISTS"
	if c.Test == NoneOf {
		test = "NOT EXISTS"
	}
	return test + " (SELECT 1" + from.String() + " WHERE " + where + " AND " + b.cond(at, Cond{Column: c.Column, Op: c.Op, Value: c.Value}) + ")"
}
