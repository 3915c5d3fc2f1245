// Package tree checks objects that lie within each other, such as units: none lies within itself, and the levels are limited.
package tree

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

// Check returns an error if an object of a tree would lie within itself, or if more than model.MaxLevels objects would lie within
// each other. old is the row as it was, nil for a new object. If its parent stays, nothing is checked, because a tree that was made
// before there was a limit may be deeper. of returns the id and the parent of a row, and below leads to the rows of which it is the
// parent.
func Check[T any](tx store.Tx, noun string, old any, row *T, of func(*T) (id string, parent *string), below store.Step) error {
	id, parent := of(row)
	if parent == nil {
		return nil
	}
	if old != nil {
		if _, was := of(old.(*T)); was != nil && *was == *parent {
			return nil
		}
	}
	tooDeep := model.AttrErrorf(model.Invalid, "attrs.parent", "the %s would be one of more than %d levels", noun, model.MaxLevels)
	above := 0
	for at := parent; at != nil; above++ {
		if *at == id {
			return model.AttrErrorf(model.Invalid, "attrs.parent", "the %s would contain itself", noun)
		}
		if above == model.MaxLevels {
			return tooDeep
		}
		var next T
		if err := tx.Load(&next, *at); err != nil {
			return err
		}
		_, at = of(&next)
	}
	if old == nil && above < model.MaxLevels {
		return nil // nothing is below it yet
	}
	deep, _, err := Levels(tx, below.Table, below.To, below.From, id)
	if err == nil && above+1+deep > model.MaxLevels {
		err = tooDeep
	}
	return err
}

// maxLevel is how many relations of a level Levels follows.
const maxLevel = 1_000_000

// Levels returns how many levels of objects the rows of a table lead to from an object, from their column here to their column next;
// at most one more than model.MaxLevels. within is true if one of the objects is the first one itself.
func Levels(tx store.ReadTx, table, here, next, id string) (n int, within bool, err error) {
	for at := []any{id}; n <= model.MaxLevels; n++ {
		found := map[string]bool{}
		for part := range slices.Chunk(at, object.MaxSearch) {
			err := tx.Each(&store.Query{Table: table, Columns: []store.Column{{Name: next}}, Limit: maxLevel,
				Where: []store.Cond{{Column: here, Op: store.In, Value: part}}}, func(row store.Row) error {
				found[object.AsText(row[0])] = true
				return nil
			})
			if err != nil {
				return n, false, err
			}
		}
		if found[id] {
			return n, true, nil
		}
		if len(found) == 0 {
			break
		}
		at = at[:0]
		for id := range found {
			at = append(at, id)
		}
	}
	return n, false, nil
}
