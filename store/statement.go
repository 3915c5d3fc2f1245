package store

import (
	"cmp"
	"context"
	"database/sql"
	"reflect"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"
)

// mapper maps columns to the fields with these db tags, for all statements and tables.
var mapper = reflectx.NewMapper("db")

// Field is a field of a domain type that is stored in a column.
type Field struct {
	Column string
	Index  []int // the index for reflect.Value.FieldByIndex
}

// Fields returns the fields of a struct type that have columns. Fields of embedded structs come after its own.
func Fields(typ reflect.Type) []Field {
	var fields []Field
	for _, f := range mapper.TypeMap(typ).Index {
		if column := f.Field.Tag.Get("db"); column != "" {
			fields = append(fields, Field{column, f.Index})
		}
	}
	return fields
}

// query runs a query and passes its rows to scan, which need not close them.
func (tx *sqlReadTx) query(ctx context.Context, query string, args []any, scan func(*sqlx.Rows) error) error {
	if err := tx.ready(); err != nil {
		return err
	}
	if tx.member != nil {
		return tx.did(tx.member.query(tx.store.text(query), args, scan))
	}
	rows, err := tx.q.QueryxContext(ctx, tx.store.text(query), args...)
	return tx.did(scanned(rows, err, scan))
}

// queryOften is query for a query that many transactions run. If the connection keeps prepared statements, it prepares it.
func (tx *sqlReadTx) queryOften(query string, args []any, scan func(*sqlx.Rows) error) error {
	if tx.prepared == nil {
		return tx.query(tx.short, query, args, scan)
	}
	if err := tx.ready(); err != nil {
		return err
	}
	stmt, err := tx.prepared.of(tx.short, query)
	if err != nil {
		return tx.did(err)
	}
	rows, err := stmt.QueryxContext(tx.short, args...)
	return tx.did(scanned(rows, err, scan))
}

// scanned passes the rows of a query to scan and closes them.
func scanned(rows *sqlx.Rows, err error, scan func(*sqlx.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	return scan(rows)
}

type scalar interface{ ~string | ~int64 | ~[]byte }

// value reads one column of one row. If there is no row, it returns sql.ErrNoRows.
func value[T scalar](tx *sqlReadTx, query string, args ...any) (v T, err error) {
	err = tx.query(tx.short, query, args, func(rows *sqlx.Rows) error { return scanOne(rows, &v) })
	return v, err
}

// scanOne reads the first row. If there is no row, it returns sql.ErrNoRows.
func scanOne(rows *sqlx.Rows, into ...any) error {
	if !rows.Next() {
		return cmp.Or(rows.Err(), sql.ErrNoRows)
	}
	return cmp.Or(rows.Scan(into...), rows.Err())
}

// values reads one column of all rows.
func values[T scalar](tx *sqlReadTx, query string, args ...any) (all []T, err error) {
	err = tx.query(tx.short, query, args, func(rows *sqlx.Rows) error {
		for rows.Next() {
			var v T
			if err := rows.Scan(&v); err != nil {
				return err
			}
			all = append(all, v)
		}
		return rows.Err()
	})
	return all, err
}

// selection is the beginning of a SELECT whose columns are the fields of T. It is a complete statement, and conditions may be
// appended.
type selection[T any] struct {
	text   string
	fields []Field // T's fields, if the columns are in the order of the fields; else nil
}

// selections lists all selections, those of the tables included, for the test that compares their columns with their types.
var selections []declared

type declared struct {
	text    string
	typ     reflect.Type
	ordered bool // the columns are in the order of the fields
}

func selects[T any](text string) *selection[T] {
	selections = append(selections, declared{text, reflect.TypeFor[T](), false})
	return &selection[T]{text: text}
}

// selectsInOrder is selects for columns that are in the order of T's fields. The destination of each value is then known in
// advance. It is used for tables and for the queries of each login. If the connection keeps prepared statements, the method all
// prepares these queries.
func selectsInOrder[T any](text string) *selection[T] {
	selections = append(selections, declared{text, reflect.TypeFor[T](), true})
	return &selection[T]{text, Fields(reflect.TypeFor[T]())}
}

// all reads all rows of the statement, with rest appended.
func (s *selection[T]) all(tx *sqlReadTx, rest string, args ...any) (found []T, err error) {
	if s.fields == nil {
		// sqlx leaves a field unchanged, silently, if the statement has no column for it. Therefore only selections read
		// structs; a test compares all of them with their types.
		err = tx.query(tx.short, s.text+rest, args, func(rows *sqlx.Rows) error { return sqlx.StructScan(rows, &found) })
		return found, err
	}
	err = tx.queryOften(s.text+rest, args, func(rows *sqlx.Rows) error {
		found, err = scanAll[T](rows, s.fields)
		return err
	})
	return found, err
}

// scanAll reads all rows. The columns must be in the order of T's fields.
func scanAll[T any](rows *sqlx.Rows, fields []Field) (found []T, err error) {
	into := make([]any, len(fields))
	for rows.Next() {
		found = append(found, *new(T))
		if err := rows.Scan(places(reflect.ValueOf(&found[len(found)-1]).Elem(), fields, into)...); err != nil {
			return nil, err
		}
	}
	return found, rows.Err()
}

// places fills into with pointers to the fields of a row, and returns it.
func places(row reflect.Value, fields []Field, into []any) []any {
	for i, f := range fields {
		into[i] = reflectx.FieldByIndexes(row, f.Index).Addr().Interface()
	}
	return into
}

// maxChunk is how many values one statement looks up at most.
const maxChunk = 500

// chunks calls fn for parts of a list, each small enough for one statement. For an empty list it does not call fn, because
// sqlx.In refuses empty lists.
func chunks(list []string, fn func(part []string) error) error {
	for part := range slices.Chunk(list, maxChunk) {
		if err := fn(part); err != nil {
			return err
		}
	}
	return nil
}

// execIn runs a statement with a list among its parameters, for "IN (?)".
func (tx *sqlTx) execIn(query string, args ...any) error {
	query, args, err := sqlx.In(query, args...)
	if err == nil {
		_, err = tx.exec(query, args...)
	}
	return err
}

// statements are the prepared statements of one connection, by their SQL.
type statements struct {
	conn *sqlx.Conn
	kept map[string]*sqlx.Stmt
}

// maxStatements limits the number of prepared statements, because queries for a caller with a scope have a different text for
// each scope.
const maxStatements = 200

// of returns the prepared statement for a text.
func (p *statements) of(ctx context.Context, text string) (*sqlx.Stmt, error) {
	if stmt, ok := p.kept[text]; ok {
		return stmt, nil
	}
	stmt, err := p.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if len(p.kept) == maxStatements {
		for old, stmt := range p.kept { // drop an arbitrary one
			stmt.Close()
			delete(p.kept, old)
			break
		}
	}
	p.kept[text] = &sqlx.Stmt{Stmt: stmt, Mapper: mapper}
	return p.kept[text], nil
}

// close closes all prepared statements.
func (p *statements) close() {
	for _, stmt := range p.kept {
		stmt.Close()
	}
}
