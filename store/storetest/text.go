package storetest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/store"
)

var textCases = []contractCase{
	{"text/order is by code point", textOrder},
	{"text/comparisons", textComparisons},
	{"text/comparisons through a path", textThroughPath},
	{"text/folded columns", folded},
	{"text/names of before a rule", named},
}

// texts are texts that databases sort, fold and match differently by default, and the limits of UTF-8 and of the range for a
// prefix.
var texts = []string{"", " ", "!", "!!", "%", "%%", "_", "a", "A", "b", "B", "ab", "aB", "Ab", "a b", "a!b", "a%b", "a_b", "axb", "ä", "Ä", "a\u0308", "z", "Z",
	"ß", "ss", "é", "i", "I", "ı", "İ", "10", "9", "a\\b", "'", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ud7ffx", "\ue000", "\uffff", "\U00010000",
	"\U0010fffe", "\U0010ffff", "\U0010ffff\U0010ffff", "a\U0010ffff", "a\U0010ffffx", "a\ud7ff", "a\ud7ffx", "a\ue000", "aaaaab", "baaaab"}

func withTexts(t *testing.T, d *Database) store.Store {
	s := d.Open(t)
	update(t, s, func(tx store.Tx) error {
		for _, text := range texts {
			if err := tx.Insert(repository(text)); err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
		}
		return nil
	})
	return s
}

func textOrder(t *testing.T, d *Database) {
	s := withTexts(t, d)
	want := slices.Sorted(slices.Values(texts)) // by bytes; in UTF-8 this is also the order by code point
	if got := repositories(t, s); !slices.Equal(got, want) {
		t.Errorf("order %q\nnot   %q", got, want)
	}
}

// holds returns the expected result of a comparison.
func holds(text string, op store.Op, value string) bool {
	switch op {
	case store.Eq:
		return text == value
	case store.Ne:
		return text != value
	case store.Lt:
		return text < value
	case store.Le:
		return text <= value
	case store.Gt:
		return text > value
	case store.Ge:
		return text >= value
	case store.StartsOn:
		return strings.HasPrefix(text, value)
	case store.EndsOn:
		return strings.HasSuffix(text, value)
	case store.Like:
		return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(value), "%", ".*") + `$`).MatchString(text)
	}
	panic(op)
}

var textOps = []store.Op{store.Eq, store.Ne, store.Lt, store.Le, store.Gt, store.Ge, store.StartsOn, store.EndsOn, store.Like}

// textComparisons checks every comparison of every pair of texts.
func textComparisons(t *testing.T, d *Database) {
	s := withTexts(t, d)
	values := append([]string{"%a%", "a%", "%b", "a%b", "%_%", "%!%", "!%", "%a%b%", "A%", "%\U0010ffff"}, texts...)
	comparisons(t, s, values, func(op store.Op, value string) *store.Query {
		return &store.Query{Table: "repositories", Columns: []store.Column{{Name: "name"}}, Where: []store.Cond{{Column: "name", Op: op, Value: value}}, Limit: 1000}
	})
}

func textThroughPath(t *testing.T, d *Database) {
	s := withTexts(t, d)
	product := newProduct()
	update(t, s, func(tx store.Tx) error {
		if err := tx.Insert(product); err != nil {
			return err
		}
		for _, text := range texts {
			r, err := tx.RepositoryByName(text)
			if err != nil {
				return err
			}
			tok := newToken(product, &r)
			tok.Serial = text
			if err := tx.Insert(tok); err != nil {
				return err
			}
		}
		return nil
	})
	up := []store.Step{{From: "repository_id", Table: "repositories", To: "id"}}
	comparisons(t, s, []string{"a", "A", "ä", "", "%", "_", "a%b", "\U0010ffff", "\ud7ff"}, func(op store.Op, value string) *store.Query {
		return &store.Query{Table: "tokens", Columns: []store.Column{{Path: up, Name: "name"}},
			Where: []store.Cond{{Path: up, Column: "name", Op: op, Value: value}}, Limit: 1000}
	})
}

func comparisons(t *testing.T, s store.Store, values []string, query func(op store.Op, value string) *store.Query) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.ReadTx) error {
		for _, op := range textOps {
			for _, value := range values {
				rows, err := tx.Find(query(op, value))
				if err != nil {
					return fmt.Errorf("%s %q: %w", op, value, err)
				}
				var got, want []string
				for _, r := range rows {
					got = append(got, r[0].(string))
				}
				for _, text := range texts {
					if holds(text, op, value) {
						want = append(want, text)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s %q gives %q\nnot %q", op, value, got, want)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// folded: names that people type are found in any case, and are unique without case. The name keeps the case as typed.
func folded(t *testing.T, d *Database) {
	s := d.Open(t)
	dom := newDomain()
	dom.Name, dom.NameFolded = "Straße Ä", model.Fold("Straße Ä")
	u := newUser(dom)
	u.LoginName, u.LoginNameFolded = "Jörg MÜLLER", model.Fold("Jörg MÜLLER")
	elsewhere := newDomain()
	twin := newUser(elsewhere)
	twin.LoginName, twin.LoginNameFolded = u.LoginName, u.LoginNameFolded
	insert(t, s, dom, u, elsewhere, twin)
	view(t, s, func(tx store.ReadTx) error {
		domains, err := tx.DomainsByName([]string{model.Fold("STRASSE A\u0308"), "none", "Straße Ä"})
		if err != nil {
			return err
		}
		if len(domains) != 1 || domains["strasse ä"].Name != "Straße Ä" {
			t.Errorf("found %v", domains)
		}
		users, err := tx.UsersByLogin(dom.ID, []string{model.Fold("JÖRG müller"), "jorg muller"})
		if err != nil {
			return err
		}
		if len(users) != 1 || users["jörg müller"].LoginName != u.LoginName {
			t.Errorf("found %v", users)
		}
		return nil
	})
	again := newUser(dom)
	again.LoginName, again.LoginNameFolded = "JÖRG müller", model.Fold("JÖRG müller")
	wantKind(t, refused(s, func(tx store.Tx) error { return tx.Insert(again) }), model.Exists)
}

// named: a row with exactly the given name is meant. If there is none, the row with the name in stored form is meant.
func named(t *testing.T, d *Database) {
	s := d.Open(t)
	old, other := newDomain(), newDomain()
	old.Name, old.NameFolded = "corp ", "corp "
	other.Name, other.NameFolded = "corp", "corp"
	of, unlike := newUser(old), newUser(other)
	insert(t, s, old, other, of, unlike)
	name := func(given, kept string) any { return store.Named("domains", "name_folded", given, kept) }
	view(t, s, func(tx store.ReadTx) error {
		for _, c := range []struct {
			op    store.Op
			value any
			want  string
		}{
			{store.Eq, name("corp ", "corp"), of.ID}, {store.Eq, name(" corp", "corp"), unlike.ID}, {store.Eq, name("corp", "corp"), unlike.ID},
			{store.Ne, name("corp ", "corp"), unlike.ID}, {store.In, []any{name("corp ", "corp"), "none"}, of.ID}, {store.In, []any{name("corp\n", "corp")}, unlike.ID},
		} {
			rows, err := tx.Find(&store.Query{Table: "users", Columns: []store.Column{store.IDColumn}, Limit: 9,
				Where: []store.Cond{{Path: []store.Step{store.ToDomain}, Column: "name_folded", Op: c.op, Value: c.value}}})
			if err != nil {
				return err
			}
			if len(rows) != 1 || rows[0][0] != c.want {
				t.Errorf("%s %+v: %v", c.op, c.value, rows)
			}
		}
		return nil
	})
}
