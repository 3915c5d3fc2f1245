package store

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// fields are where a struct's values lie in a row: those with db tags, of embedded structs too, in their order.
type fields struct {
	columns []string
	index   [][]int
}

var known sync.Map // fields by reflect.Type

func fieldsOf(typ reflect.Type) *fields {
	if f, ok := known.Load(typ); ok {
		return f.(*fields)
	}
	f := &fields{}
	if typ.Kind() == reflect.Struct {
		for _, field := range reflect.VisibleFields(typ) {
			if column := field.Tag.Get("db"); column != "" {
				f.columns, f.index = append(f.columns, column), append(f.index, field.Index)
			}
		}
	}
	known.Store(typ, f)
	return f
}

// places gives where a row's values go: into v's fields or, where it has none, into v.
func (f *fields) places(v reflect.Value) []any {
	if len(f.index) == 0 {
		return []any{v.Addr().Interface()}
	}
	places := make([]any, len(f.index))
	for i, index := range f.index {
		places[i] = v.FieldByIndex(index).Addr().Interface()
	}
	return places
}

// query runs a statement whose columns must be the fields.
func (f *fields) query(ctx context.Context, q queryer, query string, args []any) (*sql.Rows, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil || len(f.index) == 0 {
		return rows, err
	}
	columns, err := rows.Columns()
	if err == nil && !slices.Equal(columns, f.columns) {
		err = fmt.Errorf("store: columns %v do not fit fields %v", columns, f.columns)
	}
	if err != nil {
		rows.Close()
		return nil, err
	}
	return rows, nil
}

// get reads one row into dst, a struct whose fields are the statement's columns, or a scalar. No row is sql.ErrNoRows.
func (tx *ReadTx) get(dst any, query string, args ...any) error {
	if tx.failed != nil {
		return tx.failed
	}
	return tx.did(scanOne(tx.store.dialect.context(tx.ctx), tx.q, dst, tx.store.text(query), args...))
}

// all reads every row into dst, a slice of what get reads.
func (tx *ReadTx) all(dst any, query string, args ...any) error {
	if tx.failed != nil {
		return tx.failed
	}
	return tx.did(scanAll(tx.store.dialect.context(tx.ctx), tx.q, dst, tx.store.text(query), args...))
}

func scanOne(ctx context.Context, q queryer, dst any, query string, args ...any) error {
	v := reflect.ValueOf(dst).Elem()
	f := fieldsOf(v.Type())
	rows, err := f.query(ctx, q, query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(f.places(v)...); err != nil {
		return err
	}
	return rows.Close()
}

func scanAll(ctx context.Context, q queryer, dst any, query string, args ...any) error {
	all := reflect.ValueOf(dst).Elem()
	f := fieldsOf(all.Type().Elem())
	rows, err := f.query(ctx, q, query, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		all.Grow(1)
		all.SetLen(all.Len() + 1)
		if err := rows.Scan(f.places(all.Index(all.Len() - 1))...); err != nil {
			return err
		}
	}
	return rows.Err()
}
