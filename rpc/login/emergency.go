package login

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

// emergencyCode is an emergency code of a user, and its text.
type emergencyCode struct {
	model.TempPass
	text model.Secret
}

// openCodes unseals the user's emergency codes. A user who has none costs no query. They are no passcodes that were sent, and they
// do not open the console.
func (v *verification) openCodes(tx store.ReadTx, login *model.Login) error {
	if login.TempPasses == 0 || v.sent || v.static || v.syncing || v.console != nil {
		return nil
	}
	all, err := tx.TempPasses(login.ID)
	if err != nil {
		return err
	}
	for i := range all {
		text, err := v.c.Server.Keys.Unseal(store.TempPassPlace(all[i].ID), all[i].Password)
		if err != nil {
			return err
		}
		v.codes = append(v.codes, emergencyCode{all[i], text})
	}
	return nil
}

// emergencyChance returns the probability that a guess is one of the codes that log in now.
func (v *verification) emergencyChance() (chance model.Chance) {
	for i := range v.codes {
		if v.codes[i].Usable(model.Active, v.c.Now) == 0 {
			chance += model.TempPassChance(v.codes[i].text)
		}
	}
	return chance
}

// emergency returns the emergency code that the credential is; nil if it is none. If a code that logs in has the same text as others
// that have ended, it returns that one, and else the newest. It compares with all of them, so that the time does not depend on which
// it is.
func (v *verification) emergency(login *model.Login) (found *emergencyCode, err error) {
	text, before := []byte(v.text), map[int]bool{} // by its length: whether what stands before the code is right
	for i := range v.codes {
		c := &v.codes[i]
		at := max(0, len(text)-len(c.text))
		right, known := before[at]
		if !known {
			if right, err = v.mayPrecede(login, text[:at]); err != nil {
				return nil, err
			}
			before[at] = right
		}
		if c.text.Equal(text[at:]) && right && (found == nil || found.Usable(model.Active, v.c.Now) != 0 && c.Usable(model.Active, v.c.Now) == 0) {
			found = c
		}
	}
	return found, nil
}

// mayPrecede returns whether an emergency code may follow a text: one of the user's PINs if the domain wants one, or nothing.
func (v *verification) mayPrecede(login *model.Login, text model.Secret) (bool, error) {
	if !login.EmergencyNeedsPIN || len(text) > model.MaxPIN {
		return len(text) == 0, nil
	}
	return v.knowsPIN(text)
}

// useCode accepts an emergency code and counts its use, or refuses the code although it is right.
func (v *verification) useCode(tx store.Tx, login *model.Login, c *emergencyCode) (any, error) {
	v.c.Object += ", " + model.TempPassNoun.String() + " " + c.ID
	if k := c.Usable(login.Status, v.c.Now); k != 0 {
		return v.refuse(tx, login, k, 0)
	}
	if err := tx.CountCode(c.ID); err != nil {
		return nil, err
	}
	v.byCode, v.knew = true, true
	return v.accept(tx, login, people.UserType.Table, login.ID)
}

// countsCode lets the metric count a use of an emergency code once the call has ended.
func (v *verification) countsCode() {
	v.c.AtEnd = append(v.c.AtEnd, func() {
		if v.byCode && v.c.Code == 0 {
			v.auth.byCode.Inc()
		}
	})
}

// refuseLocked refuses a locked user. But if failures in a row locked the user until unlocked, an emergency code that was made since
// then logs in and ends the lock. A wrong credential is answered in the same way as without such codes.
func (v *verification) refuseLocked(tx store.Tx, login *model.Login) (any, error) {
	if !login.OpensByCode() || v.keepsLock {
		if v.quiet && !v.static { // as for a user who is not locked, so that it takes the same time
			if _, err := v.candidates(tx, login); err != nil {
				return nil, err
			}
		}
		return refuse(v.c, tx, login, model.Locked, 0)
	}
	if err := v.openCodes(tx, login); err != nil {
		return nil, err
	}
	v.codes = slices.DeleteFunc(v.codes, func(c emergencyCode) bool {
		return c.DateCreated < login.LockedAt || c.Usable(model.Active, v.c.Now) != 0
	})
	if len(v.codes) == 0 {
		return refuse(v.c, tx, login, model.Locked, 0)
	}
	var err error
	if v.all, err = tx.Credentials(login.ID); err != nil {
		return nil, err
	}
	found, err := v.emergency(login)
	if err != nil {
		return nil, err
	}
	if found == nil {
		login.RecordLockedRefusal(v.c.Now, v.emergencyChance())
		return dispatch.CommittedRefusal{Err: answer(model.Locked)}, tx.SaveLogin(&login.UserState)
	}
	login.Status = model.Active
	if err := tx.SetUserStatus(login.ID, login.Status); err != nil {
		return nil, err
	}
	return v.useCode(tx, login, found)
}
