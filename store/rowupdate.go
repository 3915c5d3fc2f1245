package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// rowUpdate is an UPDATE of one row, found by its key. In a shared transaction, those of many rows are sent as one statement.
type rowUpdate struct {
	types []reflect.Type // of the parameters; the last one is the key's
	one   string         // for one row
	many  string         // for many rows, on PostgreSQL; each parameter is an array
}

// updatesRow returns an UPDATE of the columns of T's table, and of what also says, if anything. The parameters are the values of the
// columns and then the key.
func updatesRow[T any](also string, columns ...string) *rowUpdate {
	t := tables[reflect.TypeFor[T]()]
	u := &rowUpdate{}
	var one, many, arrays, names []string
	for i, column := range append(slices.Clone(columns), t.key) {
		field := t.fields[slices.Index(t.columns, column)]
		typ := reflect.TypeFor[T]().FieldByIndex(field.Index).Type
		u.types = append(u.types, typ)
		name := fmt.Sprint("v", i)
		arrays, names = append(arrays, "?::"+arrayType(typ)), append(names, name)
		if column != t.key {
			one, many = append(one, column+" = ?"), append(many, column+" = "+name)
		}
	}
	if also != "" {
		one, many = append(one, also), append(many, also)
	}
	u.one = "UPDATE " + t.name + " SET " + strings.Join(one, ", ") + " WHERE " + t.key + " = ?"
	u.many = "UPDATE " + t.name + " SET " + strings.Join(many, ", ") + " FROM unnest(" + strings.Join(arrays, ", ") + ") AS given(" +
		strings.Join(names, ", ") + ") WHERE " + t.key + " = " + names[len(names)-1] + ` COLLATE "C"`
	return u
}

// arrayType returns PostgreSQL's type for an array of values of a type.
func arrayType(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Int64:
		return "bigint[]"
	case reflect.String:
		return "text[]"
	case reflect.Slice:
		return "bytea[]"
	}
	panic("store: no array of " + typ.String())
}

// together returns the statement for several rows, each given by the parameters for one.
func (u *rowUpdate) together(rows [][]any) statement {
	args := make([]any, len(u.types))
	for i, typ := range u.types {
		array := reflect.MakeSlice(reflect.SliceOf(plainType(typ)), len(rows), len(rows))
		for n, row := range rows {
			if v := reflect.ValueOf(row[i]); v.IsValid() {
				array.Index(n).Set(v.Convert(plainType(typ)))
			}
		}
		args[i] = array.Interface()
	}
	return statement{u.many, args}
}

// plainType returns the type that the driver knows for a value of a type.
func plainType(typ reflect.Type) reflect.Type {
	switch typ.Kind() {
	case reflect.Int64:
		return reflect.TypeFor[int64]()
	case reflect.String:
		return reflect.TypeFor[string]()
	}
	return reflect.TypeFor[[]byte]()
}

// changeRow is change for a rowUpdate.
func (tx *sqlTx) changeRow(table, id string, u *rowUpdate, values ...any) error {
	if tx.member == nil {
		if err := tx.writesRow(u.one, id); err != nil {
			return err
		}
		return tx.laterKnown(u.one, values...)
	}
	if err := tx.change(table, id, u.one, values...); err != nil {
		return err
	}
	tx.member.wrote[len(tx.member.wrote)-1].update = u
	return nil
}
