package object

import (
	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// OwnOnly returns an error if return names a collection, because that would lead from the objects that the caller may list to
// others.
func (o *Type) OwnOnly(r wire.Return) error {
	for _, item := range r {
		_, through, _ := o.Through(item.Name)
		if through != nil || o.Collection(item.Name, false) != nil {
			return model.AttrErrorf(model.Invalid, "return", "%q is not listed here", item.Name)
		}
		if a := o.ByName[item.Name]; a != nil && a.Kind == Ref {
			if err := Types[a.Object].OwnOnly(item.Nested); err != nil {
				return err
			}
		}
	}
	return nil
}
