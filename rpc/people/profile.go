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

// CredentialPolicy contains rules for what is set from now on. Existing values stay valid until they are changed.
type CredentialPolicy struct {
	Name          string
	PasswordAlone int   // minimum length of a new password for a user without an OTP token, in characters
	Password      int   // minimum length of every new password
	pin           int   // minimum length of a new PIN
	commonPINs    bool  // common PINs are allowed
	Period        int64 // longest time step of a new product, in seconds; 0 for no limit
	Mail          bool  // passcodes may be sent by e-mail
}

// Profiles are the profiles that Config.Profile may name.
var Profiles = map[string]*CredentialPolicy{
	"": {PasswordAlone: model.MinPassword, Password: model.MinPassword, pin: model.MinPIN, commonPINs: true, Mail: true},
	// NIST SP 800-63B-4, AAL2: section 3.1.1 on passwords also applies to PINs that the verifier checks; e-mail is not allowed as
	// out-of-band channel (3.1.3.1); time-based OTPs are in 3.1.4.2.
	"nist": {Name: "nist", PasswordAlone: 15, Password: 8, pin: 8, Period: 120},
}

// IsProfile returns whether there is a profile with that name.
func IsProfile(name string) bool { _, ok := Profiles[name]; return ok }

// ProfileOf returns the profile of a server.
func ProfileOf(s *dispatch.Server) *CredentialPolicy { return Profiles[s.Config.Profile] }

// CheckPassword returns why a new password is refused, whoever the user is; nil if it is accepted.
func CheckPassword(s *dispatch.Server, place string, password model.Secret) error {
	return model.CheckPassword(place, password, ProfileOf(s).Password)
}

// PasswordSuits returns why a user cannot have a new password of that many characters that CheckPassword accepted. A user without
// an OTP token may need a longer one.
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
	return model.AttrErrorf(model.Invalid, place, "must have at least %d characters for a user without an active token", ProfileOf(s).PasswordAlone)
}

// OnlyWithOTP is the prefix of the stored hash of a password that is too short to be used without an OTP.
const OnlyWithOTP = "beside-otp "

// SealPassword returns the sealed form of a user's new password, given by its hash and its number of characters.
func SealPassword(s *dispatch.Server, userID, hash string, characters int) []byte {
	if characters < ProfileOf(s).PasswordAlone {
		hash = OnlyWithOTP + hash
	}
	return s.Keys.Seal(store.PasswordPlace(userID), []byte(hash))
}

// Characters returns the number of characters in a password.
func Characters(password model.Secret) int { return utf8.RuneCount(password) }

// CheckPIN returns why a new PIN is refused; nil if it is accepted.
func CheckPIN(s *dispatch.Server, place string, pin model.Secret) error {
	if err := model.CheckPIN(place, pin); err != nil {
		return err
	}
	if len(pin) < ProfileOf(s).pin {
		return model.AttrErrorf(model.Invalid, place, "must have at least %d characters", ProfileOf(s).pin)
	}
	if !ProfileOf(s).commonPINs {
		return model.CheckPassword(place, pin, ProfileOf(s).pin)
	}
	return nil
}

// CheckPeriod returns why a new product cannot have its period; nil if it can.
func CheckPeriod(s *dispatch.Server, p otp.Params) error {
	if ProfileOf(s).Period > 0 && p.Algorithm == otp.TOTP && p.Period > ProfileOf(s).Period {
		return model.AttrErrorf(model.Invalid, "attrs.period", "is longer than the %d s that the profile %s allows", ProfileOf(s).Period, ProfileOf(s).Name)
	}
	return nil
}

// Warnings returns, for the log at start, which existing settings do not meet the profile, in one sentence each.
func Warnings(ctx context.Context, s *dispatch.Server) (list []string, err error) {
	if ProfileOf(s).Period == 0 {
		return nil, nil
	}
	err = s.Config.Store.View(ctx, func(tx store.ReadTx) error {
		list = nil
		products, err := tx.Products()
		for i := range products {
			if p := &products[i]; CheckPeriod(s, p.OTP()) != nil {
				list = append(list, fmt.Sprintf("product %s has time steps of %d s, longer than the %d s of profile %s: "+
					"its tokens keep working",
					p.Codes(), p.Period, ProfileOf(s).Period, ProfileOf(s).Name))
			}
		}
		return err
	})
	return list, err
}
