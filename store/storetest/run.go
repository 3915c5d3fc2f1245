package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/store"
)

// contract contains all cases, by topic.
var contract = slices.Concat(raceCases, refusalCases, contextCases, rollbackCases, groupCases, textCases, valueCases, listCases, nameCases,
	findCases, openCases, keyCases, deviceCases, userGroupCases, installationCases, sessionCases, deliveryCases, tryCases, addressCases, seedMarkCases, historyCases, countCases)

type contractCase struct {
	name string
	test func(t *testing.T, d *Database)
}

// Run tests one kind of database against the contract. It calls fresh for each case, and each call must return a new database.
func Run(t *testing.T, fresh func(t *testing.T) *Database) {
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, fresh(t))
		})
	}
}

// grace is how long a test waits to see that something does not happen.
const grace = 60 * time.Millisecond

// awaits receives from a channel, or fails the test.
func awaits[T any](t *testing.T, from <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(modeltest.Patience):
		t.Fatalf("%s: nothing after %v", what, modeltest.Patience)
	}
	return got
}

// update runs an Update that must succeed.
func update(t testing.TB, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal("Update: ", err)
	}
}

// view runs a View that must succeed.
func view(t testing.TB, s store.Store, fn func(tx store.ReadTx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal("View: ", err)
	}
}

// insert inserts rows, which are pointers.
func insert(t testing.TB, s store.Store, rows ...any) {
	t.Helper()
	update(t, s, func(tx store.Tx) error { return insertAll(tx, rows...) })
}

func insertAll(tx store.Tx, rows ...any) error {
	for _, row := range rows {
		if err := tx.Insert(row); err != nil {
			return err
		}
	}
	return nil
}

// wantKind fails the test unless err is a *model.Error of a kind.
func wantKind(t testing.TB, err error, want model.Kind) {
	t.Helper()
	var e *model.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, not a *model.Error of kind %d", err, err, want)
	}
	if e.Kind != want {
		t.Fatalf("error %v has kind %d, not %d", err, e.Kind, want)
	}
}

var lastID atomic.Int64

// newID returns an id that is greater than all before it.
func newID() string { return fmt.Sprintf("id-%08d", lastID.Add(1)) }

func newDomain() *model.Domain {
	id := newID()
	return &model.Domain{ID: id, Name: "Domain " + id, NameFolded: "domain " + id}
}

func newUser(d *model.Domain) *model.User {
	id := newID()
	return &model.User{ID: id, DomainID: d.ID, LoginName: "User" + id, LoginNameFolded: "user" + id, Status: model.Active}
}

func newProduct() *model.Product {
	id := newID()
	return &model.Product{ID: id, Name: "product " + id, ManufacturerCode: "M", ProductCode: id, Algorithm: "TOTP", Digits: 6}
}

func newRepository() *model.Repository {
	id := newID()
	return &model.Repository{ID: id, Name: "repository " + id}
}

func newToken(p *model.Product, r *model.Repository) *model.Token {
	id := newID()
	return &model.Token{ID: id, ProductID: p.ID, RepositoryID: r.ID, Serial: "S" + id, Status: model.Active, Seed: []byte("sealed")}
}

func newAssignment(tok *model.Token, u *model.User) *model.Assignment {
	return &model.Assignment{ID: newID(), TokenID: tok.ID, UserID: u.ID, Status: model.Active}
}

// world is one object of each kind, in the database.
type world struct {
	domain     *model.Domain
	user       *model.User
	product    *model.Product
	repository *model.Repository
	token      *model.Token
}

func newWorld(t testing.TB, s store.Store) *world {
	t.Helper()
	w := &world{domain: newDomain(), product: newProduct(), repository: newRepository()}
	w.user, w.token = newUser(w.domain), newToken(w.product, w.repository)
	insert(t, s, w.domain, w.user, &model.UserState{UserID: w.user.ID}, w.product, w.repository, w.token, &model.TokenState{TokenID: w.token.ID})
	return w
}

// repositories returns the names of all repositories, in order.
func repositories(t testing.TB, s store.Store) (names []string) {
	t.Helper()
	view(t, s, func(tx store.ReadTx) error {
		rows, err := tx.Find(&store.Query{Table: "repositories", Columns: []store.Column{{Name: "name"}},
			Sort: []store.Sort{{Column: store.Column{Name: "name"}}}, Limit: 10_000})
		for _, r := range rows {
			names = append(names, r[0].(string))
		}
		return err
	})
	return names
}

func repository(name string) *model.Repository { return &model.Repository{ID: newID(), Name: name} }
