package login

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/store"
)

// A PIN that must be changed is changed in two turns: the new PIN, and the same again. A text that is not good ends the logon, and
// counts as a failure, but as no guess.

// newPIN takes a new PIN.
func (t *turn) newPIN(tx store.Tx, login *model.Login) (any, error) {
	t.outcome.Next = nil
	_, is, err := t.pinToChange(tx, login)
	if err != nil {
		return nil, err
	}
	if is || people.CheckPIN(t.c.Server, "", model.Secret(t.text)) != nil {
		return t.refuse(tx, login, model.WrongCredential, 0)
	}
	next := t.before
	next.Ask, next.PIN = AskNewPINAgain, model.HashPIN(model.Secret(t.text))
	t.outcome.Next, t.outcome.Codes = &next, t.codes
	return nil, tx.SaveLogin(&login.UserState)
}

// changePIN takes the new PIN again, and passes the step.
func (t *turn) changePIN(tx store.Tx, login *model.Login) (any, error) {
	c, is, err := t.pinToChange(tx, login)
	if err != nil {
		return nil, err
	}
	if c == nil || is || !model.PINMatches(t.before.PIN, model.Secret(t.text)) {
		return t.refuse(tx, login, model.WrongCredential, 0)
	}
	if k := c.Usable(login.Status, t.c.Now); k != 0 {
		return t.refuse(tx, login, k, 0)
	}
	if err := t.setPIN(tx, c.AssignmentID, model.Secret(t.text)); err != nil {
		return nil, err
	}
	if err := tx.CountUse(c.AssignmentID); err != nil {
		return nil, err
	}
	return t.accept(tx, login, token.AssignmentType.Table, c.AssignmentID)
}

// pinToChange returns the assignment whose PIN must be changed, nil if there is none by now, and whether the text is that PIN.
func (t *turn) pinToChange(tx store.Tx, login *model.Login) (c *model.Credential, is bool, err error) {
	all, err := t.candidates(tx, login)
	if err != nil {
		return nil, false, err
	}
	at := slices.IndexFunc(all, func(c model.Credential) bool { return c.AssignmentID == t.before.AssignmentID && c.MustChange })
	if at < 0 {
		return nil, false, nil
	}
	if c = &all[at]; c.PIN == nil {
		return c, false, nil
	}
	hash, err := t.c.Server.Keys.Unseal(store.PINPlace(c.AssignmentID), c.PIN)
	return c, err == nil && model.PINMatches(hash, model.Secret(t.text)), err
}
