package dispatch

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tokensmith/model"
	"tokensmith/store"
)

// A user's factors are what he proves himself with and what they hang on: password, tokens, PINs, links and codes for them, the
// addresses that messages reach him at, his locks. Whoever changes, reads or adds one could become him. So nobody does that
// to an administrator who may do what he may not.

// Guard is the transaction of a call. It asks, before a statement that touches factors, whether the caller may change the users
// whose they are. A method can neither forget that nor go around it: the transaction it is given is this one.
//
// A method of store.Tx that writes factors is overridden here; a test names those that write none.
type Guard struct {
	store.Tx
	c     *Call
	asked map[string]bool // ids of users and tokens
	names *Names          // of those who may do what the caller may not; nil = not read yet
}

// guarded gives the transaction in which a call's plan runs. What carries its own proof is not asked: logins, devices, links.
func (c *Call) guarded(tx store.Tx) store.Tx {
	if g, ok := tx.(*Guard); ok {
		tx = g.Tx // of the batch around the call
	}
	if c.Method.Device || strings.HasPrefix(c.Method.Path, "auth/") || c.Full() {
		return tx
	}
	return &Guard{Tx: tx, c: c, asked: map[string]bool{}}
}

// HeldTo says to what the caller is held, that an administrator is not, who signs in from anywhere, sees every domain and calls at no
// rate of his own; "" = nothing.
func (c *Call) HeldTo() string {
	switch {
	case c.Scope != nil:
		return "domains"
	case c.Agent.Addresses != "":
		return "addresses"
	case c.Agent.RateLimit > 0:
		return "a rate"
	}
	return ""
}

// Full says whether the caller may do all that any administrator may.
func (c *Call) Full() bool {
	return c.HeldTo() == "" && model.Permits(c.Agent.Permissions.Items(), "*", true)
}

// MayChange refuses to touch the factors of users, given by id, or tokens of users, where one of them may do what the caller may
// not: with his password he could do all that.
func (c *Call) MayChange(tx store.ReadTx, users, tokens []string) error {
	all, err := tx.PermissionsOf(users, tokens)
	if err != nil {
		return err
	}
	who := "the user"
	if len(users) == 0 {
		who = "a user of the token"
	}
	return c.covers(who, all)
}

// MayChangeProduct refuses to touch how a product's tokens are checked where a user of one may do what the caller may not.
func (c *Call) MayChangeProduct(tx store.ReadTx, id string) error {
	if c.Full() {
		return nil
	}
	all, err := tx.PermissionsOfProduct(id)
	if err != nil {
		return err
	}
	return c.covers("a user of one of its tokens", all)
}

// MayChangeDomain refuses to touch what a domain decides for its users where one of them may do what the caller may not.
func (c *Call) MayChangeDomain(tx store.ReadTx, id string) error {
	if c.Full() {
		return nil
	}
	users, err := tx.Administrators()
	if err != nil {
		return err
	}
	var all []model.List
	for i := range users {
		if users[i].DomainID == id {
			all = append(all, users[i].Permissions)
		}
	}
	return c.covers("a user of the domain", all)
}

// MayChooseDefault refuses, of an attribute, to change which domain is the default where any administrator may do what the caller may not:
// it says whom a bare name means.
func (c *Call) MayChooseDefault(tx store.ReadTx, attr string) error {
	if c.Full() {
		return nil
	}
	users, err := tx.Administrators()
	if err != nil {
		return err
	}
	for i := range users {
		if c.weakerThan(users[i].Permissions) {
			return model.AttrErrorf(model.NotPermitted, attr, "not permitted: an administrator may do what the caller may not")
		}
	}
	return nil
}

// covers refuses what touches somebody, as a refusal calls him, who has some permissions, where the caller lacks one of those.
func (c *Call) covers(who string, all []model.List) error {
	for _, permissions := range all {
		if c.weakerThan(permissions) {
			return model.Errorf(model.NotPermitted, "not permitted: %s may do what the caller may not", who)
		}
	}
	return nil
}

// ask calls MayChange for the users and tokens that were not checked yet in this transaction.
func (g *Guard) ask(users, tokens []string) error {
	known := func(id string) bool { return g.asked[id] }
	users = slices.DeleteFunc(slices.Clone(users), known)
	tokens = slices.DeleteFunc(slices.Clone(tokens), known)
	if len(users)+len(tokens) == 0 {
		return nil
	}
	if err := g.c.MayChange(g.Tx, users, tokens); err != nil {
		return err
	}
	for _, id := range append(users, tokens...) {
		g.asked[id] = true
	}
	return nil
}

func (g *Guard) user(id string) error { return g.ask([]string{id}, nil) }

func (g *Guard) token(id string) error { return g.ask(nil, []string{id}) }

// assignment asks for an assignment's user and for everybody else who has the token.
func (g *Guard) assignment(id string) error {
	var a model.Assignment
	err := g.Load(&a, id)
	if err == nil {
		err = g.ask([]string{a.UserID}, []string{a.TokenID})
	}
	return err
}

// CheckSeedAccess checks whether the caller may open the seeds of tokens; token.OpenSeed calls it.
func (c *Call) CheckSeedAccess(tx store.ReadTx, tokens ...string) error {
	if g, ok := tx.(*Guard); ok {
		return g.ask(nil, tokens)
	}
	return nil
}

// OwnersOf says whose factors a row holds. A type that is not named is refused: whoever makes one says here whose it is.
func OwnersOf(row any) (users, tokens []string, err error) {
	switch r := row.(type) {
	case *model.User:
		users = []string{r.ID}
	case *model.UserState:
		users = []string{r.UserID}
	case *model.Session:
		users = []string{r.UserID}
	case *model.SignIns:
		users = []string{r.UserID}
	case *model.Assignment:
		users, tokens = []string{r.UserID}, []string{r.TokenID}
	case *model.Token:
		tokens = []string{r.ID}
	case *model.TokenState:
		tokens = []string{r.TokenID}
	case *model.DownloadLink:
		tokens = []string{r.TokenID}
	case *model.Domain, *model.Product, *model.Repository, *model.Template, *model.Delivery, *model.Agent, *model.StoredReply, *model.Audit,
		*model.License, *model.DeviceGroup, *model.DeviceGroupMember, *model.InstallationCode, *model.InstallationUse:
	case *model.Device, *model.ClientToken: // what a device proves itself with, and not its owner
	default:
		err = fmt.Errorf("dispatch: OwnersOf does not know whose factors a %T holds", row)
	}
	return users, tokens, err
}

// makesOwner says that a row, when it is new, brings with it the one whose factors it holds: nobody has it yet.
func makesOwner(row any) bool {
	switch row.(type) {
	case *model.User, *model.UserState, *model.Token, *model.TokenState:
		return true
	}
	return false
}

func (g *Guard) row(row any) error {
	users, tokens, err := OwnersOf(row)
	if err != nil {
		return err
	}
	return g.ask(users, tokens)
}

// Insert is store.Tx's.
func (g *Guard) Insert(row any) error {
	if !makesOwner(row) {
		if err := g.row(row); err != nil {
			return err
		}
	}
	return g.Tx.Insert(row)
}

// InsertMany is store.Tx's.
func (g *Guard) InsertMany(rows any, skip bool) (int64, error) {
	v := reflect.ValueOf(rows)
	var users, tokens []string
	if !makesOwner(reflect.New(v.Type().Elem()).Interface()) {
		for i := range v.Len() {
			u, t, err := OwnersOf(v.Index(i).Addr().Interface())
			if err != nil {
				return 0, err
			}
			users, tokens = append(users, u...), append(tokens, t...)
		}
	}
	if err := g.ask(slices.Compact(slices.Sorted(slices.Values(users))), slices.Compact(slices.Sorted(slices.Values(tokens)))); err != nil {
		return 0, err
	}
	return g.Tx.InsertMany(rows, skip)
}

// Save is store.Tx's.
func (g *Guard) Save(row any) error {
	if err := g.row(row); err != nil {
		return err
	}
	return g.Tx.Save(row)
}

// Delete is store.Tx's.
func (g *Guard) Delete(row any) error {
	if err := g.row(row); err != nil {
		return err
	}
	return g.Tx.Delete(row)
}

// Try is store.Tx's.
func (g *Guard) Try(fn func(store.Tx) error) error {
	return g.Tx.Try(func(tx store.Tx) error {
		inner := *g
		inner.Tx = tx
		return fn(&inner)
	})
}

// SaveChecked is store.Tx's.
func (g *Guard) SaveChecked(c *model.Credential, used bool, now model.Time) error {
	if err := g.token(c.TokenID); err != nil {
		return err
	}
	return g.Tx.SaveChecked(c, used, now)
}

// SaveLogin is store.Tx's.
func (g *Guard) SaveLogin(s *model.UserState) error {
	if err := g.user(s.UserID); err != nil {
		return err
	}
	return g.Tx.SaveLogin(s)
}

// SaveLastLogin is store.Tx's.
func (g *Guard) SaveLastLogin(userID string, at model.Time) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SaveLastLogin(userID, at)
}

// CountUse is store.Tx's.
func (g *Guard) CountUse(assignmentID string) error {
	if err := g.assignment(assignmentID); err != nil {
		return err
	}
	return g.Tx.CountUse(assignmentID)
}

// SetPIN is store.Tx's.
func (g *Guard) SetPIN(assignmentID string, sealed []byte, now model.Time) error {
	if err := g.assignment(assignmentID); err != nil {
		return err
	}
	return g.Tx.SetPIN(assignmentID, sealed, now)
}

// SetPassword is store.Tx's.
func (g *Guard) SetPassword(userID string, sealed []byte, mustChange bool, now model.Time) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SetPassword(userID, sealed, mustChange, now)
}

// SetUserStatus is store.Tx's.
func (g *Guard) SetUserStatus(userID, status string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SetUserStatus(userID, status)
}

// UnlockSignIns is store.Tx's.
func (g *Guard) UnlockSignIns(userID string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.UnlockSignIns(userID)
}

// DropSessionsOf is store.Tx's.
func (g *Guard) DropSessionsOf(userID string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.DropSessionsOf(userID)
}

// ClearFailures is store.Tx's.
func (g *Guard) ClearFailures(tokenID string) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.ClearFailures(tokenID)
}

// Touch is store.Tx's.
func (g *Guard) Touch(tokenID string, now model.Time) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.Touch(tokenID, now)
}

// DisownToken is store.Tx's.
func (g *Guard) DisownToken(tokenID string, now model.Time) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.DisownToken(tokenID, now)
}

// PutLink is store.Tx's.
func (g *Guard) PutLink(l *model.DownloadLink) error {
	if err := g.token(l.TokenID); err != nil {
		return err
	}
	return g.Tx.PutLink(l)
}

// DropLink is store.Tx's.
func (g *Guard) DropLink(tokenID string) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.DropLink(tokenID)
}
