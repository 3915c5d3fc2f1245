package store

import (
	"context"
	"reflect"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"
)

// mapper ties columns to the fields that have them as db tags, for every statement and every table.
var mapper = reflectx.NewMapper("db")

// Field is a field of a type of the domain that is kept in a column.
type Field struct {
	Column string
	Index  []int // as reflect.Value.FieldByIndex takes it
}

// Fields returns the fields of a struct type that have columns, those of embedded structs behind its own.
func Fields(typ reflect.Type) []Field {
	var fields []Field
	for _, f := range mapper.TypeMap(typ).Index {
		if column := f.Field.Tag.Get("db"); column != "" {
			fields = append(fields, Field{column, f.Index})
		}
	}
	return fields
}

// get reads one row into dst: a struct whose fields are the statement's columns, or a scalar. No row is sql.ErrNoRows.
//
// sqlx leaves a field as it is, in silence, that the statement has no column for. So structs are read by selections' statements
// alone, all of which a test compares with their types; for scalars there are value and values.
func (tx *sqlReadTx) get(dst any, query string, args ...any) error {
	if err := tx.ready(); err != nil {
		return err
	}
	return tx.did(sqlx.GetContext(tx.short, tx.q, dst, tx.store.text(query), args...))
}

// all reads every row into dst, a slice of what get reads.
func (tx *sqlReadTx) all(dst any, query string, args ...any) error {
	if err := tx.ready(); err != nil {
		return err
	}
	return tx.did(sqlx.SelectContext(tx.short, tx.q, dst, tx.store.text(query), args...))
}

type scalar interface{ ~string | ~int64 | ~[]byte }

// value reads the one column of one row. No row is sql.ErrNoRows.
func value[T scalar](tx *sqlReadTx, query string, args ...any) (v T, err error) {
	err = tx.get(&v, query, args...)
	return v, err
}

// values reads the one column of every row.
func values[T scalar](tx *sqlReadTx, query string, args ...any) (all []T, err error) {
	err = tx.all(&all, query, args...)
	return all, err
}

// selection is the beginning of a statement whose columns are the fields of T. It is a whole statement without what is
// appended.
type selection[T any] struct {
	text   string
	fields []Field // of one whose columns stand in the order of T's fields: where the values of a row go; nil of others
}

// selections are all there are, tables' included, for the test that compares their columns with their types.
var selections []declared

type declared struct {
	text    string
	typ     reflect.Type
	ordered bool // the columns stand in the order of the fields
}

func selects[T any](text string) *selection[T] {
	selections = append(selections, declared{text, reflect.TypeFor[T](), false})
	return &selection[T]{text: text}
}

// selectsInOrder is selects for columns that stand in the order of T's fields, so that where the values of a row go is known
// before: a table's, and those of what each login runs, whose statements all prepares where the connection keeps them.
func selectsInOrder[T any](text string) *selection[T] {
	selections = append(selections, declared{text, reflect.TypeFor[T](), true})
	return &selection[T]{text, Fields(reflect.TypeFor[T]())}
}

// all reads every row of the statement with rest behind it.
func (s *selection[T]) all(tx *sqlReadTx, rest string, args ...any) (found []T, err error) {
	if s.fields == nil {
		err = tx.all(&found, s.text+rest, args...)
		return found, err
	}
	if err := tx.ready(); err != nil {
		return nil, err
	}
	rows, err := tx.rows(s.text+rest, args)
	if err != nil {
		return nil, tx.did(err)
	}
	found, err = scanAll[T](rows, s.fields)
	return found, tx.did(err)
}

// scanAll reads every row, whose columns stand in the order of T's fields, and closes rows.
func scanAll[T any](rows *sqlx.Rows, fields []Field) (found []T, err error) {
	defer rows.Close()
	into := make([]any, len(fields))
	for rows.Next() {
		found = append(found, *new(T))
		if err := rows.Scan(places(reflect.ValueOf(&found[len(found)-1]).Elem(), fields, into)...); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

// places puts into into where the values of a row go, and returns it.
func places(row reflect.Value, fields []Field, into []any) []any {
	for i, f := range fields {
		into[i] = reflectx.FieldByIndexes(row, f.Index).Addr().Interface()
	}
	return into
}

// rows runs a query, prepared where the connection keeps statements.
func (tx *sqlReadTx) rows(query string, args []any) (*sqlx.Rows, error) {
	if tx.prepared == nil {
		return tx.q.QueryxContext(tx.short, tx.store.text(query), args...)
	}
	stmt, err := tx.prepared.of(tx.short, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryxContext(tx.short, args...)
}

// maxChunk bounds the values looked up by one statement.
const maxChunk = 500

// chunks calls fn for parts of a list that one statement takes. An empty list has none, for sqlx.In takes none.
func chunks(list []string, fn func(part []string) error) error {
	for part := range slices.Chunk(list, maxChunk) {
		if err := fn(part); err != nil {
			return err
		}
	}
	return nil
}

// execIn runs a statement one of whose parameters is a list, for "IN (?)".
func (tx *sqlTx) execIn(query string, args ...any) error {
	query, args, err := sqlx.In(query, args...)
	if err == nil {
		_, err = tx.exec(query, args...)
	}
	return err
}

// statements are the prepared ones of one connection, by their texts.
type statements struct {
	conn *sqlx.Conn
	kept map[string]*sqlx.Stmt
}

// maxStatements bounds them: what is read for a caller with a scope has as many forms as there are scopes.
const maxStatements = 200

// of returns the statement of a text.
func (p *statements) of(ctx context.Context, text string) (*sqlx.Stmt, error) {
	if stmt, ok := p.kept[text]; ok {
		return stmt, nil
	}
	stmt, err := p.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if len(p.kept) == maxStatements {
		for old, stmt := range p.kept { // any one
			stmt.Close()
			delete(p.kept, old)
			break
		}
	}
	p.kept[text] = &sqlx.Stmt{Stmt: stmt, Mapper: mapper}
	return p.kept[text], nil
}

// close ends them all.
func (p *statements) close() {
	for _, stmt := range p.kept {
		stmt.Close()
	}
}
