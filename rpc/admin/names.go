package admin

import (
	"context"
	"maps"
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/store"
)

const namesPage = 5000 // how many rows are read at a time

// NameFaults calls see for every text, in all objects, that its rule would now refuse, and returns their number. It reads the
// tables in parts.
func NameFaults(ctx context.Context, s *dispatch.Server, see func(object.NameFault)) (n int, err error) {
	for _, name := range slices.Sorted(maps.Keys(object.Types)) {
		o := object.Types[name]
		var ruled []*object.Attr
		columns := []store.Column{{Name: "id"}}
		for i := range o.Attrs {
			if a := &o.Attrs[i]; a.Rule != model.AsWritten && a.Column != "-" && a.Path == nil {
				ruled = append(ruled, a)
				columns = append(columns, store.Column{Name: a.Column})
			}
		}
		for last := ""; len(ruled) > 0; {
			var rows []store.Row
			err := s.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
				rows, err = tx.Find(&store.Query{Table: o.Table, Columns: columns, Where: []store.Cond{{Column: "id", Op: store.Gt, Value: last}},
					Sort: []store.Sort{{Column: store.Column{Name: "id"}}}, Limit: namesPage})
				return err
			})
			if err != nil {
				return n, err
			}
			for _, row := range rows {
				last = object.AsText(row[0])
				for i, a := range ruled {
					text := object.AsText(row[i+1])
					if reason := a.Fault(text); reason != "" {
						n++
						see(object.NameFault{Object: o.Name, ID: last, Attribute: a.Name, Text: object.QuotedName(text), Reason: reason})
					}
				}
			}
			if len(rows) < namesPage {
				break
			}
		}
		if o.SharedNames == nil {
			continue
		}
		var shared []object.NameFault
		err := s.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
			shared, err = o.SharedNames(tx)
			return err
		})
		for _, f := range shared {
			n++
			see(f)
		}
		if err != nil {
			return n, err
		}
	}
	return sharedNames(ctx, s, n, see)
}

// sharedNames calls see for every principal name that two users have, and returns n plus their number.
func sharedNames(ctx context.Context, s *dispatch.Server, n int, see func(object.NameFault)) (int, error) {
	for last := ""; ; {
		var shared map[string]string
		err := s.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
			shared, last, err = tx.SharedPrincipals(last, namesPage)
			return err
		})
		if err != nil || last == "" {
			return n, err
		}
		for _, id := range slices.Sorted(maps.Keys(shared)) {
			n++
			see(object.NameFault{Object: "user", ID: id, Attribute: "userPrincipalName", Text: object.QuotedName(shared[id]), Reason: "is also a name of another user, so it " +
				"identifies neither"})
		}
	}
}

// CountNames logs how many names the rules would now refuse, if there are any. It reads all of them and changes nothing.
func CountNames(ctx context.Context, s *dispatch.Server) error {
	n, err := NameFaults(ctx, s, func(object.NameFault) {})
	if n > 0 && err == nil {
		s.Config.Log.Warn().Int("names", n).Msg("some names would no longer be accepted: tokensmith check --names lists them")
	}
	return err
}
