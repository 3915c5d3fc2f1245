package rpc

import (
	"context"
	"fmt"
	"unicode/utf8"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/store"
)

// A profile is what a service demands of what is set from now on. What is there already works until it is changed.
type profile struct {
	name          string
	passwordAlone int   // characters of a new password of a user without an OTP
	password      int   // of any
	pin           int   // of a new PIN
	commonPINs    bool  // may be set
	period        int64 // seconds of a time step of a new product; 0 = any
	mail          bool  // passcodes are sent by e-mail
}

// profiles are those that Config names.
var profiles = map[string]profile{
	"": {passwordAlone: model.PasswordLeast, password: model.PasswordLeast, pin: model.PINLeast, commonPINs: true, mail: true},
	// NIST SP 800-63B-4, AAL2: passwords section 3.1.1, also for PINs, which the verifier checks; out-of-band 3.1.3.1, which e-mail is
	// not; time-based OTPs 3.1.4.2.
	"nist": {name: "nist", passwordAlone: 15, password: 8, pin: 8, period: 120},
}

// IsProfile says whether Config may name a profile so.
func IsProfile(name string) bool { _, ok := profiles[name]; return ok }

// profileOf returns what a server demands.
func profileOf(s *core) *profile {
	p := profiles[s.cfg.Profile]
	return &p
}

// checkPassword says why a new password cannot be taken. It asks nothing of whose it is.
func (s *core) checkPassword(place string, password model.Secret) error {
	return model.CheckPassword(place, password, profileOf(s).password)
}

// passwordSuits says why a user cannot have a new password that checkPassword took, so many characters long: one without an OTP
// may need a longer one.
func (s *core) passwordSuits(tx store.ReadTx, place, userID string, characters int) error {
	if characters >= profileOf(s).passwordAlone {
		return nil
	}
	all, err := tx.Credentials(userID)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Status == model.Active && c.TokenStatus == model.Active {
			return nil
		}
	}
	return model.AttrErrorf(model.Invalid, place, "has fewer than %d characters, for a user without an active token", profileOf(s).passwordAlone)
}

// besideOTP stands in front of the stored hash of a password that is too short to stand alone, for a user with a token.
const besideOTP = "beside-otp "

// sealPassword gives what is stored of a user's new password, by its hash and how many characters it has.
func (s *core) sealPassword(userID, hash string, characters int) []byte {
	if characters < profileOf(s).passwordAlone {
		hash = besideOTP + hash
	}
	return s.keys.Seal(store.PasswordPlace(userID), []byte(hash))
}

// tooShort says whether a password that was set beside an OTP stands alone, and no longer one takes its place.
func (v *verification) tooShort() bool {
	alone := profileOf(v.c.s).passwordAlone
	return v.beside && alone > profileOf(v.c.s).password && v.length < alone
}

func characters(password model.Secret) int { return utf8.RuneCount(password) }

// checkPIN says why a new PIN cannot be taken.
func (s *core) checkPIN(place string, pin model.Secret) error {
	if err := model.CheckPIN(place, pin); err != nil {
		return err
	}
	if len(pin) < profileOf(s).pin {
		return model.AttrErrorf(model.Invalid, place, "has fewer than %d characters", profileOf(s).pin)
	}
	if !profileOf(s).commonPINs {
		return model.CheckPassword(place, pin, profileOf(s).pin)
	}
	return nil
}

// checkPeriod says why a new product cannot have its time steps.
func (s *core) checkPeriod(p otp.Params) error {
	if profileOf(s).period > 0 && p.Algorithm == otp.TOTP && p.Period > profileOf(s).period {
		return model.AttrErrorf(model.Invalid, "attrs.period", "is longer than %d s, which the profile %s allows", profileOf(s).period, profileOf(s).name)
	}
	return nil
}

// Warnings says what is there already and falls short of the profile, one sentence each, for the log at the start.
func (s *core) Warnings(ctx context.Context) (list []string, err error) {
	if profileOf(s).period == 0 {
		return nil, nil
	}
	err = s.cfg.Store.View(ctx, func(tx store.ReadTx) error {
		list = nil
		products, err := tx.Products()
		for i := range products {
			if p := &products[i]; s.checkPeriod(p.OTP()) != nil {
				list = append(list, fmt.Sprintf("product %s has time steps of %d s, longer than the %d s of profile %s: its tokens go on working",
					p.Codes(), p.Period, profileOf(s).period, profileOf(s).name))
			}
		}
		return err
	})
	return list, err
}
