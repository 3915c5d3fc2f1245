package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	"tokensmith/model"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

// hash compares a static password before the transaction, because this is slow on purpose. For an unknown user, and for one
// without a password, it takes the same time.
func (v *verification) hash(ctx context.Context, enter func(tx store.ReadTx) error) error {
	var login *model.Login
	err := v.c.Server.Config.Store.View(ctx, func(tx store.ReadTx) (err error) {
		tx.SetScope(v.c.Scope)
		if enter != nil {
			if err := enter(tx); err != nil {
				return err
			}
		}
		login, err = v.login(tx)
		return err
	})
	if err != nil {
		return err
	}
	against := noPassword()
	if login != nil && login.Password != nil {
		v.checkedHash = login.Password
		plain, err := v.c.Server.Keys.Unseal(store.PasswordPlace(login.ID), login.Password)
		if err != nil {
			return err
		}
		against, v.setOnlyWithOTP = strings.CutPrefix(string(plain), people.OnlyWithOTP)
	}
	return v.c.Server.RunExpensive(ctx, func() {
		v.headMatched = v.head != nil && model.PasswordMatches(against, v.head)
		v.matched = model.PasswordMatches(against, v.password) && !model.SamePassword(model.Secret(v.newHash), v.password)
		if v.newHash != "" {
			v.length = people.Characters(model.Secret(v.newHash))
			v.newHash = model.HashPassword(model.Secret(v.newHash))
		}
	})
}

// noPassword is the hash of a password that nobody knows. Comparing with it takes the same time as with any other.
var noPassword = sync.OnceValue(func() string {
	unknown := make(model.Secret, 32)
	rand.Read(unknown)
	return model.HashPassword(unknown)
})

func (v *verification) staticPassword(tx store.Tx, login *model.Login) (any, error) {
	switch {
	case !bytes.Equal(login.Password, v.checkedHash):
		return nil, model.UnavailableError(errors.New("the password was changed in the meantime"))
	case !v.matched:
		return v.refuse(tx, login, model.WrongCredential, model.PasswordChance)
	case login.Status != model.Active:
		return v.refuse(tx, login, model.Disabled, 0)
	case v.tooShort() && v.newHash != "":
		return nil, model.AttrErrorf(model.Invalid, v.newPasswordAttr, "must have at least %d characters if no OTP is needed with it", people.ProfileOf(v.c.Server).PasswordAlone)
	case v.tooShort():
		v.mustChange = true
		return v.refuse(tx, login, model.PINExpired, 0)
	case v.newHash != "":
		if err := v.setPassword(tx, login); err != nil {
			return nil, err
		}
	case login.MustChangePassword:
		v.mustChange = true
		return v.refuse(tx, login, model.PINExpired, 0)
	}
	return v.accept(tx, login, people.UserType.Table, login.ID)
}

// setPassword saves the new password of a user who entered the old one.
func (v *verification) setPassword(tx store.Tx, login *model.Login) error {
	if err := people.PasswordSuits(v.c.Server, tx, v.newPasswordAttr, login.ID, v.length); err != nil {
		return err
	}
	return tx.SetPassword(login.ID, people.SealPassword(v.c.Server, login.ID, v.newHash, v.length), false, v.c.Now)
}

// tooShort returns whether the password was set for use with an OTP, is too short to be used alone, and is not being replaced by
// a longer one.
func (v *verification) tooShort() bool {
	alone := people.ProfileOf(v.c.Server).PasswordAlone
	return v.setOnlyWithOTP && alone > people.ProfileOf(v.c.Server).Password && v.length < alone
}
