package object

import (
	"tokensmith/model"
	"tokensmith/store"
)

// CheckTree refuses a parent by which an object of a tree would lie within itself. T is the object's row, up gives the
// parent of one.
func CheckTree[T any](tx store.Tx, noun, id string, parent *string, up func(*T) *string) error {
	for parent != nil {
		if *parent == id {
			return model.AttrErrorf(model.Invalid, "attrs.parent", "the %s would lie within itself", noun)
		}
		var row T
		if err := tx.Load(&row, *parent); err != nil {
			return err
		}
		parent = up(&row)
	}
	return nil
}
