package rpc

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"tokensmith/model"
	"tokensmith/store"
)

// NameFault is a text of an object that the rule of its attribute takes no more. The object is reached by its id, and may be given
// another text or be deleted.
type NameFault struct {
	Object, ID, Attribute string
	Text                  string // quoted, with what is not seen as escapes; "" where it may be a seed
	Reason                string
}

const namesPage = 5000 // rows read at a time

// fault says why a text is not kept as it is by the attribute's rule.
func (a *attr) fault(text string) string {
	clean, reason := a.rule.Clean(text)
	switch {
	case reason != "":
		return reason
	case clean == text:
		return ""
	case model.Trim(text) != text:
		return "has white space at an end"
	}
	return "is not in the form in which it would be kept: " + strconv.QuoteToASCII(clean)
}

// quotedName gives a text that is at fault, for people.
func quotedName(text string) string {
	if model.MayBeSeed(text) {
		return ""
	}
	return strconv.QuoteToASCII(text)
}

// NameFaults hands over every text that its rule takes no more, of all objects, and counts them. It reads part by part.
func (s *core) NameFaults(ctx context.Context, see func(NameFault)) (n int, err error) {
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		o := objects[name]
		var ruled []*attr
		columns := []store.Column{{Name: "id"}}
		for i := range o.attrs {
			if a := &o.attrs[i]; a.rule != model.AsWritten && a.column != "-" && a.path == nil {
				ruled = append(ruled, a)
				columns = append(columns, store.Column{Name: a.column})
			}
		}
		for last := ""; len(ruled) > 0; {
			var rows []store.Row
			err := s.cfg.Store.View(ctx, func(tx store.ReadTx) (err error) {
				rows, err = tx.Find(&store.Query{Table: o.table, Columns: columns, Where: []store.Cond{{Column: "id", Op: store.Gt, Value: last}},
					Sort: []store.Sort{{Column: store.Column{Name: "id"}}}, Limit: namesPage})
				return err
			})
			if err != nil {
				return n, err
			}
			for _, row := range rows {
				last = asText(row[0])
				for i, a := range ruled {
					text := asText(row[i+1])
					if reason := a.fault(text); reason != "" {
						n++
						see(NameFault{o.name, last, a.name, quotedName(text), reason})
					}
				}
			}
			if len(rows) < namesPage {
				break
			}
		}
	}
	return n, nil
}

// CountNames logs how many names of the database keep to the rules no more, if any. It reads all of them, and changes nothing.
func (s *core) CountNames(ctx context.Context) error {
	n, err := s.NameFaults(ctx, func(NameFault) {})
	if n > 0 && err == nil {
		s.cfg.Log.Warn().Int("names", n).Msg("some names would not be taken any more: tokensmith check --names lists them")
	}
	return err
}

// exportNotes says which texts of a token would not come back from its export as they are.
func exportNotes(row store.Row) (notes []string) {
	for i, of := range map[int]*attr{1: tokenObject.byName["serial"], 2: tokenObject.byName["identifier"], 3: tokenObject.byName["description"],
		6: productObject.byName["manufacturerCode"], 7: productObject.byName["productCode"]} {
		if reason := of.fault(asText(row[i])); reason != "" {
			notes = append(notes, "token "+asText(row[0])+", "+quotedName(asText(row[1]))+": its "+of.name+" would not come back as it is: it "+reason)
		}
	}
	slices.Sort(notes)
	return notes
}
