package caller

import (
	"fmt"
	"reflect"
	"slices"

	"tokensmith/model"
	"tokensmith/store"
)

// A user's factors are what the user authenticates with, and what that depends on: the password, tokens, PINs, links
// and codes for them, emergency codes, the addresses that messages are sent to, and locks. A caller who changes, reads or adds one of them could
// act as the user. Therefore no caller may do so to an administrator who may do more than the caller. What a user is sent counts
// as well, because people act on it: the text of a message that reaches the user, and that one is sent at all (CheckUserAccess).

// Guard is the transaction of a call. Before a statement that changes factors, it checks whether the caller may change the users
// whom the factors belong to. A method cannot forget or bypass this check, because it gets only this transaction.
//
// Every method of store.Tx that writes factors is overridden here. A test lists the methods that write none.
type Guard struct {
	store.Tx
	c       *Caller
	checked map[string]bool // ids of users and tokens that were checked; "" for everybody
	names   *Names          // names of the administrators who may do more than the caller; nil if not read yet
}

// Guarded returns the transaction for what the caller changes.
func (c *Caller) Guarded(tx store.Tx) store.Tx {
	tx = Unguarded(tx)
	if c.Unrestricted() {
		return tx
	}
	return &Guard{Tx: tx, c: c, checked: map[string]bool{}}
}

// Unguarded returns the transaction inside a Guard, such as the Guard of the batch that a call belongs to. It is for methods
// whose callers prove their identity within the call (logins, devices).
func Unguarded(tx store.Tx) store.Tx {
	if g, ok := tx.(*Guard); ok {
		return g.Tx
	}
	return tx
}

// MayChange returns an error if one of the users, or a user of one of the tokens, may do something that the caller may not.
// Otherwise the caller could use that user's factors to do it.
func (c *Caller) MayChange(tx store.ReadTx, users, tokens []string) error {
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

// MayChangeProduct returns an error if a user of one of the product's tokens may do something that the caller may not. It guards
// settings for how the tokens are checked.
func (c *Caller) MayChangeProduct(tx store.ReadTx, id string) error {
	if c.Unrestricted() {
		return nil
	}
	all, err := tx.PermissionsOfProduct(id)
	if err != nil {
		return err
	}
	return c.covers("a user of one of its tokens", all)
}

// MayChangeDomain returns an error if a user of the domain may do something that the caller may not. It guards settings that the
// domain makes for its users.
func (c *Caller) MayChangeDomain(tx store.ReadTx, id string) error {
	return c.coversAdministrators(tx, "a user of the domain", func(u *model.User) bool { return u.DomainID == id })
}

// MayReachEverybody returns an error if any administrator may do something that the caller may not. It guards what every user
// gets, such as the text of a message, and the choice of the default domain, which decides whom a bare name means.
func (c *Caller) MayReachEverybody(tx store.ReadTx) error {
	return c.coversAdministrators(tx, "an administrator", func(*model.User) bool { return true })
}

// coversAdministrators calls covers for those administrators for whom such returns true.
func (c *Caller) coversAdministrators(tx store.ReadTx, who string, such func(*model.User) bool) error {
	if c.Unrestricted() {
		return nil
	}
	users, err := tx.Administrators()
	if err != nil {
		return err
	}
	var all []model.List
	for i := range users {
		if such(&users[i]) {
			all = append(all, users[i].Permissions)
		}
	}
	return c.covers(who, all)
}

// covers returns an error if one of the permission lists allows something that the caller may not do. who is the name in the
// error message for the person who has them.
func (c *Caller) covers(who string, all []model.List) error {
	for _, permissions := range all {
		if c.weakerThan(permissions) {
			return model.Errorf(model.NotPermitted, "not permitted: %s may do what the caller may not", who)
		}
	}
	return nil
}

// check calls MayChange for the users and tokens that were not checked yet in this transaction.
func (g *Guard) check(users, tokens []string) error {
	known := func(id string) bool { return g.checked[id] }
	users = slices.DeleteFunc(slices.Clone(users), known)
	tokens = slices.DeleteFunc(slices.Clone(tokens), known)
	if len(users)+len(tokens) == 0 {
		return nil
	}
	if err := g.c.MayChange(g.Tx, users, tokens); err != nil {
		return err
	}
	for _, id := range append(users, tokens...) {
		g.checked[id] = true
	}
	return nil
}

func (g *Guard) user(id string) error { return g.check([]string{id}, nil) }

func (g *Guard) token(id string) error { return g.check(nil, []string{id}) }

// assignment checks an assignment's user and all other users of its token.
func (g *Guard) assignment(id string) error {
	var a model.Assignment
	err := g.Load(&a, id)
	if err == nil {
		err = g.check([]string{a.UserID}, []string{a.TokenID})
	}
	return err
}

// CheckSeedAccess checks whether the caller may open the seeds of tokens. token.OpenSeed calls it.
func (c *Caller) CheckSeedAccess(tx store.ReadTx, tokens ...string) error {
	if g, ok := tx.(*Guard); ok {
		return g.check(nil, tokens)
	}
	return nil
}

// CheckUserAccess returns an error if the user may do something that the caller may not. It guards what happens before a guarded
// statement, or without one: an answer that depends on the user's secrets, and the sending of a message, whose words may be the
// caller's, such as the name of a device. In a login, which sends only to who asks for it, it returns nil.
func (c *Caller) CheckUserAccess(tx store.ReadTx, userID string) error {
	if g, ok := tx.(*Guard); ok {
		return g.user(userID)
	}
	return nil
}

// CheckRowAccess returns the error that the caller would get for inserting (isNew) or saving a row. A method that answers by what
// the row's owner has, asks before it answers.
func (c *Caller) CheckRowAccess(tx store.ReadTx, row any, isNew bool) error {
	if g, ok := tx.(*Guard); ok && !(isNew && makesOwner(row)) {
		return g.row(row)
	}
	return nil
}

// OwnersOf returns the users and tokens whose factors a row holds. It returns an error for an unknown type, so that whoever adds
// a type must add it here.
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
	case *model.TempPass:
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
		*model.Group, *model.GroupMember, *model.Unit, *model.IdentitySource, *model.Realm, *model.Application, *model.LogonProcedure, *model.LogonStep, *model.Authenticator,
		*model.License, *model.DeviceGroup, *model.DeviceGroupMember, *model.InstallationCode, *model.InstallationUse:
	case *model.RadiusClient, *model.RadiusClientState, *model.RadiusNote: // whoever makes a client must be allowed to check logins (package radius)
	case *model.Device, *model.ClientToken: // credentials of a device, not of its owner
	default:
		err = fmt.Errorf("caller: OwnersOf does not know whose factors a %T holds", row)
	}
	return users, tokens, err
}

// makesOwner returns whether a new row creates the user or token whose factors it holds. Nobody has these factors yet.
func makesOwner(row any) bool {
	switch row.(type) {
	case *model.User, *model.UserState, *model.Token, *model.TokenState:
		return true
	}
	return false
}

// reachesEverybody returns whether every user is sent what a row contains.
func reachesEverybody(row any) bool {
	_, ok := row.(*model.Template)
	return ok
}

func (g *Guard) row(row any) error {
	if reachesEverybody(row) && !g.checked[""] {
		if err := g.c.MayReachEverybody(g.Tx); err != nil {
			return err
		}
		g.checked[""] = true
	}
	users, tokens, err := OwnersOf(row)
	if err != nil {
		return err
	}
	return g.check(users, tokens)
}

// Insert is Insert of store.Tx, with the check.
func (g *Guard) Insert(row any) error {
	if !makesOwner(row) {
		if err := g.row(row); err != nil {
			return err
		}
	}
	return g.Tx.Insert(row)
}

// InsertMany is InsertMany of store.Tx, with the check.
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
	if err := g.check(slices.Compact(slices.Sorted(slices.Values(users))), slices.Compact(slices.Sorted(slices.Values(tokens)))); err != nil {
		return 0, err
	}
	return g.Tx.InsertMany(rows, skip)
}

// Save is Save of store.Tx, with the check.
func (g *Guard) Save(row any) error {
	if err := g.row(row); err != nil {
		return err
	}
	return g.Tx.Save(row)
}

// Delete is Delete of store.Tx, with the check.
func (g *Guard) Delete(row any) error {
	if err := g.row(row); err != nil {
		return err
	}
	return g.Tx.Delete(row)
}

// Try is Try of store.Tx. fn gets a Guard too.
func (g *Guard) Try(fn func(store.Tx) error) error {
	return g.Tx.Try(func(tx store.Tx) error {
		inner := *g
		inner.Tx = tx
		return fn(&inner)
	})
}

// SaveChecked is SaveChecked of store.Tx, with the check.
func (g *Guard) SaveChecked(c *model.Credential, used bool, now model.Time) error {
	if err := g.token(c.TokenID); err != nil {
		return err
	}
	return g.Tx.SaveChecked(c, used, now)
}

// SaveLogin is SaveLogin of store.Tx, with the check.
func (g *Guard) SaveLogin(s *model.UserState) error {
	if err := g.user(s.UserID); err != nil {
		return err
	}
	return g.Tx.SaveLogin(s)
}

// SaveLastLogin is SaveLastLogin of store.Tx, with the check.
func (g *Guard) SaveLastLogin(userID string, at model.Time) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SaveLastLogin(userID, at)
}

// CountUse is CountUse of store.Tx, with the check.
func (g *Guard) CountUse(assignmentID string) error {
	if err := g.assignment(assignmentID); err != nil {
		return err
	}
	return g.Tx.CountUse(assignmentID)
}

// CountCode is CountCode of store.Tx, with the check.
func (g *Guard) CountCode(id string) error {
	var code model.TempPass
	err := g.Load(&code, id)
	if err == nil {
		err = g.row(&code)
	}
	if err != nil {
		return err
	}
	return g.Tx.CountCode(id)
}

// SetPIN is SetPIN of store.Tx, with the check.
func (g *Guard) SetPIN(assignmentID string, sealed []byte, now model.Time) error {
	if err := g.assignment(assignmentID); err != nil {
		return err
	}
	return g.Tx.SetPIN(assignmentID, sealed, now)
}

// SetPassword is SetPassword of store.Tx, with the check.
func (g *Guard) SetPassword(userID string, sealed []byte, mustChange bool, now model.Time) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SetPassword(userID, sealed, mustChange, now)
}

// SetUserStatus is SetUserStatus of store.Tx, with the check.
func (g *Guard) SetUserStatus(userID, status string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.SetUserStatus(userID, status)
}

// UnlockSignIns is UnlockSignIns of store.Tx, with the check.
func (g *Guard) UnlockSignIns(userID string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.UnlockSignIns(userID)
}

// DropSessionsOf is DropSessionsOf of store.Tx, with the check.
func (g *Guard) DropSessionsOf(userID string) error {
	if err := g.user(userID); err != nil {
		return err
	}
	return g.Tx.DropSessionsOf(userID)
}

// ClearFailures is ClearFailures of store.Tx, with the check.
func (g *Guard) ClearFailures(tokenID string) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.ClearFailures(tokenID)
}

// Touch is Touch of store.Tx, with the check.
func (g *Guard) Touch(tokenID string, now model.Time) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.Touch(tokenID, now)
}

// DisownToken is DisownToken of store.Tx, with the check.
func (g *Guard) DisownToken(tokenID string, now model.Time) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.DisownToken(tokenID, now)
}

// PutLink is PutLink of store.Tx, with the check.
func (g *Guard) PutLink(l *model.DownloadLink) error {
	if err := g.token(l.TokenID); err != nil {
		return err
	}
	return g.Tx.PutLink(l)
}

// DropLink is DropLink of store.Tx, with the check.
func (g *Guard) DropLink(tokenID string) error {
	if err := g.token(tokenID); err != nil {
		return err
	}
	return g.Tx.DropLink(tokenID)
}
