package object

import (
	"tokensmith/model"
	"tokensmith/store"
)

// CheckTree returns an error if an object of a tree would become its own ancestor. T is the type of the rows; up returns the
// parent of a row.
func CheckTree[T any](tx store.Tx, noun, id string, parent *string, up func(*T) *string) error {
	for parent != nil {
		if *parent == id {
			return model.AttrErrorf(model.Invalid, "attrs.parent", "the %s would contain itself", noun)
		}
		var row T
		if err := tx.Load(&row, *parent); err != nil {
			return err
		}
		parent = up(&row)
	}
	return nil
}
