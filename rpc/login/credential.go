package login

import (
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
	"tokensmith/rpc/people"
	"tokensmith/rpc/wire"
)

// The methods of a credential.
const (
	otpMethod      = model.OTPCode
	onDemandMethod = model.OnDemandCode
	staticMethod   = model.StaticCode
)

// credential decodes {"otp":...}, {"method":"OTPoD","otp":...}, {"method":"SPASS","password":...,"newPassword":...}, or an OTP
// alone.
func (v *verification) credential(raw jsontext.Value) (err error) {
	switch raw.Kind() {
	case '"', '0':
		v.text, err = wire.TextOf("credential", raw)
		v.text = model.CleanPasted(v.text)
		return err
	case '{':
	default:
		return model.AttrErrorf(model.Missing, "credential", "is required: {\"otp\":...} or {\"method\":\"SPASS\",\"password\":...}")
	}
	m, err := wire.MembersOf("credential", raw)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for _, f := range m {
		switch f.Name {
		case "method", "otp", "password", "newPassword":
			if fields[f.Name], err = wire.TextOf("credential."+f.Name, f.Value); err != nil {
				return err
			}
		case "cc": // for challenges, which this server does not have
			if string(f.Value) != `""` && f.Value.Kind() != 'n' {
				return model.AttrErrorf(model.UnknownAttr, "credential.cc", "this server has no challenges")
			}
		default:
			return model.AttrErrorf(model.UnknownAttr, "credential."+f.Name, "is not a member of a credential")
		}
	}
	switch method := fields["method"]; {
	case method == staticMethod:
		if fields["password"] == "" {
			return model.AttrErrorf(model.Missing, "credential.password", "is required")
		}
		v.static, v.password = true, model.Secret(fields["password"])
		if len(v.password) > people.MaxPassword || len(fields["newPassword"]) > people.MaxPassword {
			return model.AttrErrorf(model.Invalid, "credential", "a password is longer than %d bytes", people.MaxPassword)
		}
		if v.newHash, v.newPasswordAttr = fields["newPassword"], "credential.newPassword"; v.newHash != "" {
			return people.CheckPassword(v.c.Server, v.newPasswordAttr, model.Secret(v.newHash))
		}
	case method != "" && method != otpMethod && method != onDemandMethod:
		return model.AttrErrorf(model.Invalid, "credential.method", "must be OTP, OTPoD or SPASS")
	case model.CleanPasted(fields["otp"]) == "":
		return model.AttrErrorf(model.Missing, "credential.otp", "is required")
	case fields["password"] != "" || fields["newPassword"] != "":
		return model.AttrErrorf(model.Invalid, "credential.password", "is only allowed with method SPASS")
	default:
		v.text, v.sent = model.CleanPasted(fields["otp"]), method == onDemandMethod
	}
	return nil
}
