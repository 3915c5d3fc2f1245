// Package installation contains installation codes: it creates, sends, checks and redeems them.
package installation

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"tokensmith/model"
	"tokensmith/rpc/device"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/message"
	"tokensmith/rpc/object"
	"tokensmith/rpc/token"
	"tokensmith/rpc/wire"
	"tokensmith/store"
)

// InstallationCode is the receiver of the methods for installation codes.
type InstallationCode struct {
	object.CRUD
	guesses *attempts
}

// Receivers returns the receivers of this package's methods.
func Receivers(s *dispatch.Server, devices *device.Device) map[string]any {
	return map[string]any{"InstallationCode": &InstallationCode{object.CRUD{Server: s, Type: CodeType}, newGuesses()}, "Device": &deviceWithCodes{devices}}
}

// deviceWithCodes is the receiver of the methods for devices. Its Create also makes installation codes.
type deviceWithCodes struct{ *device.Device }

// CodeType declares the object installationCode.
var CodeType = object.Declare(&object.Type{
	Name: "installationCode", NotFound: model.InstallationCodeNoun, Row: func() any { return new(model.InstallationCode) },
	Keys: [][]string{{"code"}}, ShownWhenAmbiguous: []string{"id", "description"},
	Prepare: prepareCode, Check: checkCode, AfterWrite: afterWriteCode,
	Attrs: []object.Attr{
		{Name: "description", Kind: object.Text, Rule: model.AnyText, When: object.Always, Max: 1024},
		{Name: "code", Kind: object.Text, When: object.Always, Max: 64, From: []string{"id", "code"}, Reveals: true,
			About: "6 to 64 of A-Z a-z 0-9 - _; a random one if not given; unique, with O as 0, I and L as 1, and without " +
				"case and hyphens; null to those who may not see it",
			Derive: func(c *dispatch.Call, from store.Row) (any, error) {
				id := object.AsText(from[0])
				text, err := c.Server.Keys.Unseal(store.CodePlace(id), from[1].([]byte))
				c.Shown = append(c.Shown, "installation code "+id)
				return string(text), err
			}},
		{Name: "expires", Kind: object.Date, Ends: true, When: object.Always,
			About: "valid until the end of this second; a date alone means the end of that day; empty = it does not expire"},
		{Name: "usageLimit", Kind: object.Integer, When: object.Always, Min: 1, Max: 1_000_000_000, ZeroIsNone: true,
			About: "none = any number of times"},
		{Name: "usageLimitDelay", Kind: object.Integer, When: object.Always, Max: 10 * 365 * 86400,
			About: "seconds for which it stays usable once the limit is reached; 0 = none"},
		{Name: "action", Kind: object.Enum, When: object.Always, Required: true, Values: []string{model.CreateAccountAndDevice, model.CreateDevice, model.UseExistingDevice}},
		{Name: "usernamePrefix", Kind: object.Text, Refuses: model.NoDomainEnds, Rule: model.CodeName, When: object.Always, Max: 64,
			About: "of the accounts that CREATE_ACCOUNT_AND_DEVICE makes; a number is appended"},
		{Name: "domain", Kind: object.Ref, When: object.Always, Object: "domain", Indexed: true, About: "of these accounts"},
		{Name: "user", Kind: object.Ref, When: object.Always, Object: "user", Indexed: true,
			About: "the account whose devices CREATE_DEVICE makes"},
		{Name: "device", Kind: object.Ref, When: object.Always, Object: "device", Indexed: true,
			About: "what USE_EXISTING_DEVICE installs"},
		{Name: "license", Kind: object.Ref, When: object.Always, Object: "license", Indexed: true, About: "of the devices it makes"},
		{Name: "timesUsed", Kind: object.Integer},
		{Name: "lastUsed", Kind: object.Date},
		{Name: "state", Kind: object.Text, From: []string{"enabled", "expires", "usageLimit", "usageLimitDelay", "timesUsed", "limitReached"},
			About: "active, grace (used up, and still usable), exhausted, expired or disabled", Derive: codeState},
		{Name: "enabled", Kind: object.Boolean, When: object.Always, Initial: true},
		{Name: "generation", Kind: object.Integer, About: "grows by one with each new text"},
		{Name: "dateCreated", Kind: object.Date},
		{Name: "lastUpdated", Kind: object.Date},
	},
	Collections: []object.Collection{
		{Name: "groups", Alias: "group", When: object.Always, Object: "deviceGroup", Order: "groupId", Steps: store.CodeGroups,
			About: "of the devices it makes"},
	},
})

func codeState(c *dispatch.Call, from store.Row) (any, error) {
	code := model.InstallationCode{Expires: model.Time(from[1].(int64)), UsageLimit: from[2].(int64), UsageLimitDelay: from[3].(int64),
		TimesUsed: from[4].(int64), LimitReached: model.Time(from[5].(int64))}
	code.Enabled, _ = from[0].(bool)
	return code.State(c.Now), nil
}

// codeIndex returns the keyed hash by which an installation code is found.
func codeIndex(s *dispatch.Server, text string) []byte {
	return s.Keys.MAC(store.CodePurpose, []byte(model.NormalCode(text)))
}

// codeIndexes returns the keyed hash under every key, for a look-up while keys are rotated.
func codeIndexes(s *dispatch.Server, text string) [][]byte {
	return s.Keys.MACs(store.CodePurpose, []byte(model.NormalCode(text)))
}

// setCode replaces the text of an installation code.
func setCode(s *dispatch.Server, code *model.InstallationCode, text string) {
	index := codeIndex(s, text)
	if string(index) != string(code.CodeIndex) {
		code.Generation++ // unless it is only another spelling, printed codes with the old text end
	}
	code.Code, code.CodeIndex = s.Keys.Seal(store.CodePlace(code.ID), []byte(text)), index
}

// CodeGroup is the number of characters in a group of a random code.
const CodeGroup = 5

// randomCode returns a new installation code: two groups in Crockford's base32, with 50 random bits.
func randomCode(s *dispatch.Server) (string, error) {
	code, err := token.NewCode(s, 2*CodeGroup)
	if err != nil {
		return "", err
	}
	return code[:CodeGroup] + "-" + code[CodeGroup:], nil
}

// prepareCode checks the given code. For a new object without a code it makes one.
func prepareCode(_ context.Context, c *dispatch.Call, d *object.Decoded) (err error) {
	text, given := object.Given[string](d, "code")
	text = model.CleanPasted(text)
	if given && (text != "" || !d.Creating) {
		d.Extra = text
		return model.CheckCode(d.Place+".code", text)
	}
	if d.Creating {
		d.Extra, err = randomCode(c.Server)
	}
	return err
}

func checkCode(c *dispatch.Call, _ store.Tx, d *object.Decoded, old, row any) error {
	code := row.(*model.InstallationCode)
	if err := code.ApplyAction(d.Place, d.Has); err != nil {
		return err
	}
	if text, ok := d.Extra.(string); ok {
		setCode(c.Server, code, text)
	}
	if err := mayInstall(c, old, code); err != nil {
		return err
	}
	if old != nil {
		code.LimitChanged(c.Now)
	}
	return nil
}

// installs lists which permissions a caller needs to make a code with an action. They are the permissions for doing the same
// directly.
var installs = map[string][]string{
	model.CreateAccountAndDevice: {"user/create", "device/create"},
	model.CreateDevice:           {"device/create"},
	model.UseExistingDevice:      {"device/generateToken"},
}

// mayInstall returns an error for a new code, or for a new text or purpose of a code, if the caller may not do directly what the
// code does. Otherwise the caller could redeem the code to do it.
func mayInstall(c *dispatch.Call, old any, code *model.InstallationCode) error {
	if old != nil {
		if same := old.(*model.InstallationCode); same.Action == code.Action && string(same.CodeIndex) == string(code.CodeIndex) &&
			device.SameID(same.UserID, code.UserID) && device.SameID(same.DeviceID, code.DeviceID) && device.SameID(same.DomainID, code.DomainID) &&
			same.UsernamePrefix == code.UsernamePrefix {
			return nil
		}
	}
	for _, path := range installs[code.Action] {
		if err := c.Need(path); err != nil {
			return err
		}
	}
	return nil
}

// afterWriteCode removes the device groups from a code that creates no device.
func afterWriteCode(_ *dispatch.Call, tx store.Tx, _ *object.Decoded, _, row any) error {
	if code := row.(*model.InstallationCode); code.Action == model.UseExistingDevice {
		return tx.Relate(store.CodeGroups[0], store.CodeGroups[1], code.ID, nil)
	}
	return nil
}

// GenerateCodeArgs are the parameters of installationCode/generateCode.
type GenerateCodeArgs struct {
	Code   wire.Text `json:"code"`   // in place of a random one: the code as somebody types it
	QRCode bool      `json:"qrCode"` // also return the QR code that the code would have
}

// codeShown is a reply with an installation code.
type codeShown struct {
	Code string `json:"code"`
}

// GenerateCode returns a random code, for an editor, with its QR code if that is asked for. It stores nothing. Of a code that the
// caller typed it returns what a code of that text would be, and does not tell whether there is one.
func (m *InstallationCode) GenerateCode(r *http.Request, args *GenerateCodeArgs, plan *dispatch.Plan) (err error) {
	code := string(args.Code)
	if code == "" {
		if code, err = randomCode(m.Server); err != nil {
			return err
		}
	} else if err := model.CheckCode("code", code); err != nil {
		return err
	}
	drawn := ""
	if args.QRCode {
		image, err := token.QRPNG(codeURL(m.Server, code))
		if err != nil {
			return err
		}
		drawn = base64.StdEncoding.EncodeToString(image)
	}
	plan.View = func(store.ReadTx) (any, error) {
		if drawn == "" {
			return codeShown{code}, nil
		}
		return codeDrawn{code, drawn}, nil
	}
	return nil
}

// usableCode returns an installation code that can still be used, and its text.
func usableCode(c *dispatch.Call, tx store.Tx, id string) (*model.InstallationCode, string, error) {
	var code model.InstallationCode
	if err := tx.Load(&code, id); err != nil {
		return nil, "", err
	}
	c.SetObject(CodeType.Noun, id)
	if err := code.Refusal(c.Now); err != nil {
		return nil, "", err
	}
	if err := available(tx, &code); err != nil {
		return nil, "", err
	}
	text, err := c.Server.Keys.Unseal(store.CodePlace(id), code.Code)
	return &code, string(text), err
}

// CodePath is the path of the URL in the QR code of an installation code.
const CodePath = "/i"

// codeURL returns the URL that a phone's camera opens. The code is in the fragment, which browsers do not send.
func codeURL(s *dispatch.Server, code string) string {
	return strings.TrimRight(s.Config.PublicURL, "/") + CodePath + "#c=" + code
}

// QRCodeArgs are the parameters of installationCode/getQRCode.
type QRCodeArgs struct {
	object.Selection
	Code bool `json:"code"` // the reply contains the text of the code too
}

// codeDrawn is a reply with an installation code and its QR code.
type codeDrawn struct {
	Code   string `json:"code"`
	QRCode string `json:"qrCode"`
}

// GetQRCode returns the QR code of a code that can still be used, as a PNG image in base64.
func (m *InstallationCode) GetQRCode(r *http.Request, args *QRCodeArgs, plan *dispatch.Plan) error {
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		_, text, err := usableCode(c, tx, id)
		if err != nil {
			return nil, err
		}
		image, err := token.QRPNG(codeURL(m.Server, text))
		drawn := base64.StdEncoding.EncodeToString(image)
		if args.Code {
			return codeDrawn{text, drawn}, err
		}
		return drawn, err
	})
}

// Send sends a code to its account, or to the owner of its device.
func (m *InstallationCode) Send(r *http.Request, args *token.SendArgs, plan *dispatch.Plan) error {
	channel, err := args.CheckedChannel()
	if err != nil {
		return err
	}
	return m.UpdateSelected(r, &args.Selection, plan, func(c *dispatch.Call, tx store.Tx, id string) (any, error) {
		code, text, err := usableCode(c, tx, id)
		if err != nil {
			return nil, err
		}
		to := code.UserID
		if code.DeviceID != nil {
			var dev model.Device
			if err := tx.Load(&dev, *code.DeviceID); err != nil {
				return nil, err
			}
			to = dev.UserID
		}
		if to == nil {
			return nil, model.Errorf(model.Invalid, "the installation code has neither an account nor a device with an "+
				"owner, so there is nobody to send it to")
		}
		var user model.User
		if err := tx.Load(&user, *to); err != nil {
			return nil, err
		}
		return nil, sendCode(c, tx, code, text, &user, channel)
	})
}

// sendCode queues a message with an installation code.
func sendCode(c *dispatch.Call, tx store.Tx, code *model.InstallationCode, text string, to *model.User, channel string) error {
	values := map[string]string{"code": text, "url": codeURL(c.Server, text), "expires": token.Until(code.Ends(c.Now)), "device": ""}
	if code.DeviceID != nil {
		var dev model.Device
		if err := tx.Load(&dev, *code.DeviceID); err != nil {
			return err
		}
		values["device"] = dev.Name
	}
	return message.Send(c, tx, to, channel, model.InstallationCodeMessage, values, code.Ends(c.Now))
}
