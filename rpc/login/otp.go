package login

import (
	"slices"

	"tokensmith/model"
	"tokensmith/rpc/people"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// otp tries the credential as a passcode, as an emergency code, and with the named token's assignment, or with each active assignment in
// the order of priority. If none accepts it, the best of their refusals counts, once.
func (v *verification) otp(tx store.Tx, login *model.Login) (any, error) {
	dry := v.dry // something before it was wrong; that a token is named which is not the user's does not matter to emergency codes
	creds, err := v.candidates(tx, login)
	if err != nil {
		return nil, err
	}
	if err := v.openPasscode(login); err != nil {
		return nil, err
	}
	if sent, err := v.passcode(login); err != nil {
		return nil, err
	} else if sent && login.Status != model.Active {
		return v.refuse(tx, login, model.Disabled, 0)
	} else if sent {
		v.knew = true
		return v.accept(tx, login, people.UserType.Table, login.ID)
	}
	if err := v.openCodes(tx, login); err != nil {
		return nil, err
	}
	if code, err := v.emergency(login); err != nil {
		return nil, err
	} else if dry {
		v.codes = nil
	} else if code != nil {
		return v.useCode(tx, login, code)
	}
	v.dry = v.dry || v.sent // the tokens are tried only to take the same time
	if len(creds) == 0 {
		v.pretend()
	}
	best, chance := model.WrongCredential, v.passcodeChance()+v.emergencyChance()
	if v.alsoPassword {
		chance += model.PasswordChance
	}
	v.bound(creds, login)
	for i := range creds {
		c := &creds[i]
		if !v.dry {
			chance += c.Chance(v.c.Now)
		}
		found, err := v.try(tx, c)
		if err != nil {
			return nil, err
		}
		if !found.accepted {
			best = better(best, found.kind)
			if found.asked {
				v.asked = c.AssignmentID
			}
			for j := range creds[i+1:] { // other tokens with this seed must not accept this OTP alone either
				if next := &creds[i+1+j]; found.asked && c.SeedGroup != nil && next.SeedGroup != nil && *next.SeedGroup == *c.SeedGroup {
					next.Asked = c.Asked
				}
			}
			continue
		}
		v.knew, v.pinOf = true, c.AssignmentID
		k := c.Usable(login.Status, v.c.Now)
		if k == 0 && c.MustChange && found.pin == nil {
			k, v.expired = model.PINExpired, c.AssignmentID
		}
		if k != 0 {
			return v.refuse(tx, login, k, 0) // the OTP is used up nevertheless
		}
		if found.pin != nil {
			if err := v.setPIN(tx, c.AssignmentID, found.pin); err != nil {
				return nil, err
			}
		}
		if err := tx.CountUse(c.AssignmentID); err != nil {
			return nil, err
		}
		return v.accept(tx, login, token.AssignmentType.Table, c.AssignmentID)
	}
	if best == model.OutOfSync {
		chance = 0 // the OTP was right, so it probably was not a guess
	}
	return v.refuse(tx, login, best, chance)
}

// setPIN saves a new PIN.
func (v *verification) setPIN(tx store.Tx, assignmentID string, pin model.Secret) error {
	return tx.SetPIN(assignmentID, v.c.Server.Keys.Seal(store.PINPlace(assignmentID), model.HashPIN(pin)), v.c.Now)
}

// bound narrows the windows of the tokens that a credential is tried on, if there were many guesses: on this user, from the
// user's address, or on many users. It also limits the cost of the check.
func (v *verification) bound(creds []model.Credential, login *model.Login) {
	most := login.MaxGuess(v.c.Now)
	pressed := login.UnderAttack(v.c.Now)
	if v.address != "" && v.console == nil {
		most = min(most, v.from.MaxGuess(v.c.Now))
		pressed = pressed || v.from.UnderAttack(v.c.Now)
	}
	if v.auth.Guessing.StandsOut() {
		most, pressed = model.MinGuess, true
	}
	for i := range creds {
		creds[i].Narrow = pressed
	}
	model.Share(creds, v.c.Now, most-v.passcodeChance()-v.emergencyChance())
	model.Bound(creds, v.c.Now)
}

// better returns the better of two refusals: first OutOfSync, then Replayed, then WrongCredential.
func better(a, b model.Kind) model.Kind {
	order := []model.Kind{model.OutOfSync, model.Replayed, model.WrongCredential}
	return order[min(slices.Index(order, a), slices.Index(order, b))]
}

// candidates returns the assignments to try.
func (v *verification) candidates(tx store.Tx, login *model.Login) ([]model.Credential, error) {
	if v.allOf != login.ID || login.ID == "" {
		read, err := tx.Credentials(login.ID)
		if err != nil {
			return nil, err
		}
		v.all, v.allOf = read, login.ID
	}
	all := v.all
	if v.token == nil {
		inactive := func(c model.Credential) bool { return c.Status != model.Active || c.TokenStatus != model.Active }
		if !slices.ContainsFunc(all, inactive) {
			return all, nil
		}
		return slices.DeleteFunc(slices.Clone(all), inactive), nil
	}
	id, err := v.named(tx, login.ID)
	if wire.NoSingleMatch(err) {
		v.dry = true // the user's tokens are tried only to take the same time
		return all, nil
	}
	v.tokenID = id
	return slices.DeleteFunc(slices.Clone(all), func(c model.Credential) bool { return c.TokenID != id }), err
}

// named returns the id of the user's token that the caller named; "" if none was named. If two products have the serial number,
// it means the token that the user has.
func (v *verification) named(tx store.ReadTx, userID string) (string, error) {
	if v.token == nil {
		return "", nil
	}
	return token.TokenType.Find(v.c, tx, append(slices.Clone(v.token), store.Assigned(userID)))
}

// tried is the result of trying a credential on one assignment.
type tried struct {
	accepted bool
	kind     model.Kind   // kind of the refusal, if not accepted
	asked    bool         // the OTP is remembered as the first of two
	pin      model.Secret // the new PIN, if the credential changes it
}

// try checks the credential on one assignment and saves the new state of the token. There may be several ways to read the
// credential, but the OTPs of the token are computed only once: for the one way with the right PIN. If no way has it, try takes
// the time of checking a wrong OTP, and the OTP stays unused.
func (v *verification) try(tx store.Tx, c *model.Credential) (tried, error) {
	keys := v.c.Server.Keys
	seed, err := keys.Unseal(store.SeedPlace(c.TokenID), c.Seed)
	if err != nil {
		return tried{}, err
	}
	var pinHash []byte
	if c.PIN != nil {
		if pinHash, err = keys.Unseal(store.PINPlace(c.AssignmentID), c.PIN); err != nil {
			return tried{}, err
		}
	}
	result := tried{kind: model.WrongCredential}
	code, read := "", false
	for r := range c.Readings(v.text) {
		right := len(r.PIN) == 0 && r.New == nil // a user with an OTP and no PIN cannot set a PIN
		if pinHash != nil && !(right && v.pinKnown == c.AssignmentID) {
			right = model.PINMatches(pinHash, r.PIN) && (r.New == nil || people.CheckPIN(v.c.Server, "", r.New) == nil)
		}
		if right {
			code, read, result.pin = r.Code, true, r.New
		}
	}
	defer func(before int64) { v.auth.compared.Add(float64(c.Search.Made - before)) }(c.Search.Made)
	if !read || v.dry {
		c.Miss(seed, v.c.Now)
		return tried{kind: model.WrongCredential}, nil
	}
	accepted, changed, kind := c.Check(seed, v.c.Now, code)
	if accepted {
		result.accepted = true
	} else {
		result.kind, result.asked, result.pin = kind, changed, nil
	}
	if changed {
		err = tx.SaveChecked(c, accepted, v.c.Now)
	}
	return result, err
}
