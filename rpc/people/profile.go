package people

import (
	"context"
	"fmt"
	"unicode/utf8"

	"tokensmith/model"
	"tokensmith/model/otp"
	"tokensmith/rpc/dispatch"
	"tokensmith/store"
)

// A profile is what a service demands of what is set from now on. What is there already works until it is changed.
type Profile struct {
	Name          string
	PasswordAlone int   // characters of a new password of a user without an OTP
	Password      int   // of any
	pin           int   // of a new PIN
	commonPINs    bool  // may be set
	Period        int64 // seconds of a time step of a new product; 0 = any
	Mail          bool  // passcodes are sent by e-mail
}

// Profiles are those that Config names.
var Profiles = map[string]*Profile{
	"": {PasswordAlone: model.MinPassword, Password: model.MinPassword, pin: model.MinPIN, commonPINs: true, Mail: true},
	// NIST SP 800-63B-4, AAL2: passwords section 3.1.1, also for PINs, which the verifier checks; out-of-band 3.1.3.1, which e-mail is
	// not; time-based OTPs 3.1.4.2.
	"nist": {Name: "nist", PasswordAlone: 15, Password: 8, pin: 8, Period: 120},
}

// IsProfile says whether Config may name a profile so.
func IsProfile(name string) bool { _, ok := Profiles[name]; return ok }

// ProfileOf returns what a server demands.
func ProfileOf(s *dispatch.Server) *Profile { return Profiles[s.Config.Profile] }

// CheckPassword says why a new password cannot be taken. It asks nothing of whose it is.
func CheckPassword(s *dispatch.Server, place string, password model.Secret) error {
	return model.CheckPassword(place, password, ProfileOf(s).Password)
}

// PasswordSuits says why a user cannot have a new password of so many characters, which CheckPassword accepted: one without an OTP
// may need a longer one.
func PasswordSuits(s *dispatch.Server, tx store.ReadTx, place, userID string, characters int) error {
	if characters >= ProfileOf(s).PasswordAlone {
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
	return model.AttrErrorf(model.Invalid, place, "has fewer than %d characters, for a user without an active token", ProfileOf(s).PasswordAlone)
}

// BesideOTP stands in front of the stored hash of a password that is too short to stand alone, for a user with a token.
const BesideOTP = "beside-otp "

// SealPassword returns what is stored of a user's new password, by its hash and how many characters it has.
func SealPassword(s *dispatch.Server, userID, hash string, characters int) []byte {
	if characters < ProfileOf(s).PasswordAlone {
		hash = BesideOTP + hash
	}
	return s.Keys.Seal(store.PasswordPlace(userID), []byte(hash))
}

// Characters counts a password's characters.
func Characters(password model.Secret) int { return utf8.RuneCount(password) }

// CheckPIN says why a new PIN cannot be taken.
func CheckPIN(s *dispatch.Server, place string, pin model.Secret) error {
	if err := model.CheckPIN(place, pin); err != nil {
		return err
	}
	if len(pin) < ProfileOf(s).pin {
		return model.AttrErrorf(model.Invalid, place, "has fewer than %d characters", ProfileOf(s).pin)
	}
	if !ProfileOf(s).commonPINs {
		return model.CheckPassword(place, pin, ProfileOf(s).pin)
	}
	return nil
}

// CheckPeriod says why a new product cannot have its time steps.
func CheckPeriod(s *dispatch.Server, p otp.Params) error {
	if ProfileOf(s).Period > 0 && p.Algorithm == otp.TOTP && p.Period > ProfileOf(s).Period {
		return model.AttrErrorf(model.Invalid, "attrs.period", "is longer than %d s, which the profile %s allows", ProfileOf(s).Period, ProfileOf(s).Name)
	}
	return nil
}

// Warnings says what is there already and falls short of the profile, one sentence each, for the log at the start.
func Warnings(ctx context.Context, s *dispatch.Server) (list []string, err error) {
	if ProfileOf(s).Period == 0 {
		return nil, nil
	}
	err = s.Config.Store.View(ctx, func(tx store.ReadTx) error {
		list = nil
		products, err := tx.Products()
		for i := range products {
			if p := &products[i]; CheckPeriod(s, p.OTP()) != nil {
				list = append(list, fmt.Sprintf("product %s has time steps of %d s, longer than the %d s of profile %s: its tokens go on working",
					p.Codes(), p.Period, ProfileOf(s).Period, ProfileOf(s).Name))
			}
		}
		return err
	})
	return list, err
}
